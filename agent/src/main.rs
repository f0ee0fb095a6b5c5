//! The `agent` command.

fn main() -> std::process::ExitCode {
    agent::cli::main()
}
