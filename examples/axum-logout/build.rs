//! `sqlx::migrate!` embeds the folder; cargo has to be told that a new file in it means a new build.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
