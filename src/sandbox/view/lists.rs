//! The lists of what is shown, and of what is protected in a project.

/// The system's programs and libraries.
pub(super) const SYSTEM: &[&str] =
    &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix", "/snap", "/gnu"];

/// Below `/etc`: what programs need to find libraries, hosts, certificates, names and times. Nothing with a secret.
pub(super) const ETC: &[&str] = &[
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "fonts",
    "gai.conf",
    "gitconfig",
    "group",
    "host.conf",
    "hosts",
    "inputrc",
    "java-17-openjdk",
    "java-21-openjdk",
    "java-25-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "localtime",
    "login.defs",
    "lsb-release",
    "magic",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "passwd",
    "perl",
    "pki",
    "profile",
    "profile.d",
    "protocols",
    "python3",
    "resolv.conf",
    "services",
    "shells",
    "ssl",
    "terminfo",
    "timezone",
    "xdg",
];

/// Below the home: toolchains, and the settings of git. Not the files in which git, npm or cargo keep tokens.
pub(super) const HOME: &[&str] = &[
    ".asdf",
    ".bun/bin",
    ".cargo/bin",
    ".config/git/attributes",
    ".config/git/config",
    ".config/git/ignore",
    ".deno/bin",
    ".fnm",
    ".gitconfig",
    ".jdks",
    ".juliaup",
    ".local/bin",
    ".local/lib",
    ".local/share/claude",
    ".local/share/mise",
    ".local/share/pipx",
    ".local/share/pnpm",
    ".local/share/uv",
    ".nvm",
    ".pyenv",
    ".rbenv",
    ".rustup",
    ".sdkman",
    ".volta",
    "go/bin",
];

/// Below Claude Code's folder: what a person has set up for it. Its login file is apart.
pub(super) const CLAUDE: &[&str] = &[
    "CLAUDE.md",
    "agents",
    "commands",
    "hooks",
    "keybindings.json",
    "output-styles",
    "plugins",
    "rules",
    "settings.json",
    "settings.local.json",
    "skills",
];

/// In a project: what git, Claude Code and other tools of a person's run or obey. Not to be written.
pub(super) const PROTECTED: &[&str] =
    &[".git/hooks", ".claude/settings.json", ".claude/settings.local.json", ".mcp.json"];
