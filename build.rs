//! Links against libpcap where only its runtime library is installed, and says what to install where it is missing altogether.
#![allow(clippy::print_stdout, reason = "cargo reads a build script's standard output")]
#![allow(clippy::disallowed_methods, reason = "cargo passes a build script its settings in the environment")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// libpcap's runtime library as distributions name it: most, and Debian.
const RUNTIME: [&str; 2] = ["libpcap.so.1", "libpcap.so.0.8"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LIBPCAP_LIBDIR");
    let linux = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    // When cross-compiling, this machine's libraries are the wrong ones.
    let native = env::var("HOST").ok() == env::var("TARGET").ok();
    let wanted = env::var_os("CARGO_FEATURE_LIVE").is_some() && env::var_os("LIBPCAP_LIBDIR").is_none();
    if !(linux && native && wanted) {
        return;
    }
    let folders = library_folders();
    if folders.iter().any(|folder| folder.join("libpcap.so").exists()) || pkg_config_finds_it() {
        return;
    }
    let runtime = RUNTIME.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|file| file.exists());
    match runtime.and_then(|library| link_to(&library)) {
        Some(folder) => println!("cargo:rustc-link-search=native={}", folder.display()),
        None => println!(
            "cargo:warning=libpcap is missing, and linking will fail: install libpcap-dev (Debian, Ubuntu, Alpine), libpcap-devel (Fedora, \
             RHEL, SUSE) or libpcap (Arch), or build with --no-default-features to do without filters and interfaces"
        ),
    }
}

fn library_folders() -> Vec<PathBuf> {
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let multiarch = ["/usr/lib", "/lib"].map(|root| PathBuf::from(format!("{root}/{arch}-linux-gnu")));
    let plain = ["/usr/local/lib", "/usr/lib64", "/usr/lib", "/lib64", "/lib"].map(PathBuf::from);
    multiarch.into_iter().chain(plain).collect()
}

/// Whether it is installed where only pkg-config knows; then the pcap crate asks it, too.
fn pkg_config_finds_it() -> bool {
    let asked = Command::new("pkg-config").args(["--exists", "libpcap"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// Gives the linker the name it looks for, in a folder of ours.
fn link_to(library: &Path) -> Option<PathBuf> {
    let folder = PathBuf::from(env::var_os("OUT_DIR")?);
    let link = folder.join("libpcap.so");
    // A link of an earlier build may be in the way.
    let _ = std::fs::remove_file(&link);
    #[cfg(unix)]
    std::os::unix::fs::symlink(library, &link).ok()?;
    Some(folder)
}
