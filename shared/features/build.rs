//! Cargo looks at build dependencies, and so at their features, only where there is a build script.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
