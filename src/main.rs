//! The `phonework` program.

fn main() -> std::process::ExitCode {
    phonework::cli::run(std::env::args_os(), &phonework::paths::Environment::of_process())
}
