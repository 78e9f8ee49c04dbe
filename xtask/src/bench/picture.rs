//! Bar charts, as SVG.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::table::Table;

const WIDTH: u32 = 900;
const ROW: u32 = 34;

/// Draws one request, by algorithm and by work.
pub(super) fn requests(table: &Table) -> Result<String> {
    let rows = table.column("median")?;
    bars("One request, in nanoseconds (logarithmic)", &rows, |nanos| match nanos {
        nanos if nanos < 1_000.0 => format!("{nanos:.0} ns"),
        nanos => format!("{:.1} µs", nanos / 1_000.0),
    })
}

/// Draws a lookup, by the number of revocations.
pub(super) fn sizes(table: &Table) -> Result<String> {
    let rows = table.column("lookup")?;
    let named: Vec<_> = rows.iter().map(|(size, nanos)| (format!("{size} revocations"), *nanos)).collect();
    let rows: Vec<_> = named.iter().map(|(name, nanos)| (name.as_str(), *nanos)).collect();
    bars("A check in the mirror, in nanoseconds (logarithmic)", &rows, |nanos| format!("{nanos:.0} ns"))
}

/// Draws on a white ground, because dark pages show it too.
fn bars(title: &str, rows: &[(&str, f64)], shown: impl Fn(f64) -> String) -> Result<String> {
    let mut svg = String::new();
    draw(&mut svg, title, rows, shown).map_err(|error| anyhow!("can't draw `{title}`: {error}"))?;
    Ok(svg)
}

fn draw<'s>(
    svg: &'s mut String,
    title: &str,
    rows: &[(&str, f64)],
    shown: impl Fn(f64) -> String,
) -> Result<(), DrawingAreaErrorKind<<SVGBackend<'s> as DrawingBackend>::ErrorType>> {
    let rows_u32 = rows.len() as u32;
    let area = SVGBackend::with_string(svg, (WIDTH, ROW * (rows_u32 + 2))).into_drawing_area();
    area.fill(&WHITE)?;
    let most = rows.iter().map(|(_, value)| *value).fold(10.0, f64::max);
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(8)
        .y_label_area_size(380)
        .x_label_area_size(ROW)
        .build_cartesian_2d((10.0..most * 4.0).log_scale(), 0.0..f64::from(rows_u32))?;
    let label = ("sans-serif", 14).into_text_style(&area);
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .y_labels(0)
        .x_label_formatter(&|value| format!("{value}"))
        .draw()?;
    for (number, (name, value)) in rows.iter().enumerate() {
        let top = f64::from(rows_u32) - number as f64;
        chart.draw_series([Rectangle::new([(10.0, top - 0.85), (*value, top - 0.15)], BLUE.mix(0.55).filled())])?;
        let (x, y) = chart.backend_coord(&(*value, top - 0.5));
        area.draw(&Text::new(shown(*value), (x + 6, y - 7), label.clone()))?;
        area.draw(&Text::new((*name).to_owned(), (10, y - 7), label.clone()))?;
    }
    area.present()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::table;

    #[test]
    fn every_row_is_a_bar_with_its_name_and_value() {
        let text = ["| row | median |", "|---|---|", "| quick | 150 ns |", "| slow | 31000 ns |"].map(str::to_owned);
        let svg = requests(&table::all(&text)[0]).unwrap();
        for part in ["quick", "150 ns", "slow", "31.0 µs"] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
    }
}
