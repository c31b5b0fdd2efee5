//! The language folders are part of the library, so a new file in one of them is a reason to build it again: what
//! embeds them notices changed files only.
//! It makes and reads nothing.

fn main() {
    println!("cargo:rerun-if-changed=../../runtimes");
}
