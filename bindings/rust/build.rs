//! Compiles the C sources in `c/`, as hannoy's Makefile does.
use std::{env, fs, path::Path, path::PathBuf};

/// The flags of a kernel that is compiled for an instruction set, and chosen when the program runs;
/// none for any other file.
fn instruction_set(processor: &str, file: &Path) -> Vec<&'static str> {
    const AVX2: &[&str] = &["-mavx2", "-mfma", "-mf16c", "-mpopcnt"];
    const AVX512: &[&str] = &["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq"];
    const AVX512_VNNI: &[&str] = &["-mavx512vnni", "-mavx512vpopcntdq"];
    match (processor, file.file_name().unwrap().to_str().unwrap()) {
        ("x86_64", "kernel_avx2.c") => AVX2.to_vec(),
        ("x86_64", "kernel_avx512.c") => [AVX2, AVX512].concat(),
        ("x86_64", "kernel_avx512_vnni.c") => [AVX2, AVX512, AVX512_VNNI].concat(),
        ("aarch64", "kernel_neon_dot.c") => vec!["-march=armv8.2-a+dotprod"],
        _ => vec![],
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "c") {
            found.push(path);
        }
    }
}

/// What is common to all files. They are optimised in every profile: without it a search takes
/// many times as long.
fn compiler() -> cc::Build {
    let mut build = cc::Build::new();
    build
        .std("gnu11")
        .opt_level(2)
        .warnings(false)
        .flag("-fvisibility=hidden")
        .flag("-ffp-contract=off")
        .flag("-include")
        .flag("c/libraries/names.h")
        .include("c/libraries");
    build
}

fn main() {
    let system = env::var("CARGO_CFG_TARGET_OS").unwrap();
    let processor = env::var("CARGO_CFG_TARGET_ARCH").unwrap();
    if system != "linux" || !["x86_64", "aarch64"].contains(&processor.as_str()) {
        panic!(
            "sqlite-hannoy is for Linux on x86-64 and 64-bit ARM, not for {system} on {processor}"
        );
    }
    println!("cargo:rerun-if-changed=c");
    let version = format!("\"{}\"", env::var("CARGO_PKG_VERSION").unwrap());

    // LMDB with its asserts: hannoy makes errors of those that a damaged file fails.
    let mut libraries = Vec::new();
    sources(Path::new("c/libraries"), &mut libraries);
    let mut objects = compiler().files(libraries).compile_intermediates();

    let mut files = Vec::new();
    sources(Path::new("c/core"), &mut files);
    sources(Path::new("c/ext"), &mut files);
    let mut ours = compiler();
    ours.include("c/core")
        .include("c/ext")
        .define("NDEBUG", None)
        .define("SQLITE_CORE", None)
        .define("HANNOY_VERSION", version.as_str());
    let mut others = Vec::new();
    for file in files {
        let flags = instruction_set(&processor, &file);
        if flags.is_empty() {
            others.push(file);
            continue;
        }
        let mut build = ours.clone();
        for flag in flags {
            build.flag(flag);
        }
        objects.extend(build.file(file).compile_intermediates());
    }
    objects.extend(ours.files(others).compile_intermediates());
    compiler().objects(objects).compile("hannoy");
}
