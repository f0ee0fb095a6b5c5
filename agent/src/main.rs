//! The `agent` command.

#[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
mod name_service;

fn main() -> std::process::ExitCode {
    #[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
    name_service::keep_to_what_is_built_in();
    agent::allocator::share_arenas();
    agent::cli::main()
}
