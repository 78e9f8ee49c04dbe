//! `sqlx::migrate!` embeds the folder. This makes cargo rebuild when a file is added to it.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
