//! Views of sessions, by value.

use super::*;

fn request() -> SandboxRequest {
    SandboxRequest {
        mode: Mode::Bwrap,
        project: "/home/ada/code/shop".into(),
        trusted: false,
        home: "/home/ada".into(),
        claude_folder: "/home/ada/.claude".into(),
        claude_state: "/home/ada/.claude.json".into(),
        cache: "/var/lib/phonework/caches/1".into(),
        temporary: "/var/lib/phonework/tmp".into(),
        read: Vec::new(),
        write: Vec::new(),
        hidden: vec!["/var/lib/phonework/mail.db".into(), "/home/ada/.config/phonework/keyring.yaml".into()],
        own_conversations: None,
        processes: None,
    }
}

fn found(list: &[(&str, PathKind)]) -> Found {
    list.iter().map(|(path, kind)| (PathBuf::from(path), kind.clone())).collect()
}

fn link(text: &str, target: Option<&str>) -> PathKind {
    PathKind::Link { text: text.into(), target: target.map(PathBuf::from) }
}

fn view(request: &SandboxRequest, list: &[(&str, PathKind)]) -> Vec<String> {
    let view = View::new(request, Path::new("/opt/claude/claude"), &found(list)).unwrap();
    view.parts.iter().map(|part| format!("{part:?}")).collect()
}

#[test]
fn a_session_sees_the_system_its_project_and_nothing_else() {
    let parts = view(
        &request(),
        &[
            ("/usr", PathKind::Folder),
            ("/bin", link("usr/bin", Some("/usr/bin"))),
            ("/opt", PathKind::Folder),
            ("/etc/resolv.conf", link("../run/r", Some("/run/r"))),
            ("/etc/passwd", PathKind::File),
            ("/home/ada/.gitconfig", PathKind::File),
            ("/home/ada/.claude/settings.json", PathKind::File),
            ("/home/ada/.claude/.credentials.json", PathKind::File),
            ("/home/ada/.claude/projects/-home-ada-code-shop", PathKind::Folder),
            ("/home/ada/.claude.json", PathKind::File),
            ("/home/ada/code/shop/.git", PathKind::Folder),
            ("/home/ada/code/shop/.git/config", PathKind::File),
            ("/home/ada/code/shop/.git/hooks", PathKind::Folder),
            ("/home/ada/code/shop/.mcp.json", link("/home/ada/.ssh/id", None)),
            ("/home/ada/code/shop/.phonework", PathKind::Folder),
        ],
    );
    insta::assert_snapshot!(parts.join("\n"));
}

#[test]
fn a_link_in_the_project_is_neither_followed_nor_in_the_way() {
    let parts = view(
        &request(),
        &[
            ("/opt", PathKind::Folder),
            ("/home/ada/code/shop/.git", link("/home/bob/.git", Some("/home/bob/.git"))),
            ("/home/ada/code/shop/.git/config", PathKind::File),
            ("/home/ada/code/shop/.git/hooks", PathKind::Folder),
            ("/home/ada/code/shop/.claude", link("/etc", Some("/etc"))),
            ("/home/ada/code/shop/.claude/settings.json", PathKind::File),
            ("/home/ada/code/shop/.phonework", link("/etc", Some("/etc"))),
        ],
    );
    let of_project: Vec<_> = parts.iter().filter(|part| part.contains("code/shop")).collect();
    assert_eq!(of_project, ["Held { path: \"/home/ada/code/shop\", writable: true }"]);
}

#[test]
fn a_trusted_project_may_write_its_git_config_but_never_its_hooks() {
    let trusted = SandboxRequest { trusted: true, ..request() };
    let git = [
        ("/home/ada/code/shop/.git", PathKind::Folder),
        ("/home/ada/code/shop/.git/config", PathKind::File),
        ("/home/ada/code/shop/.git/hooks", PathKind::Folder),
    ];
    let locked = |request| {
        let parts = view(request, &git);
        parts.into_iter().filter(|part| part.contains("writable: false")).collect::<Vec<_>>()
    };
    assert_eq!(locked(&trusted), ["Held { path: \"/home/ada/code/shop/.git/hooks\", writable: false }"]);
    assert_eq!(locked(&request()).len(), 2);
}

#[test]
fn no_path_may_hold_what_is_hidden() {
    let program = Path::new("/usr/bin/claude");
    let refused =
        |request: &SandboxRequest| View::new(request, program, &Found::new()).unwrap_err().to_string();
    let of_project = |project: &str| refused(&SandboxRequest { project: project.into(), ..request() });
    insta::assert_snapshot!(
        [
            of_project("/home/ada"),
            of_project("/home"),
            of_project("/home/ada/.claude"),
            of_project("/home/ada/.config"),
            of_project("/var/lib/phonework"),
            refused(&SandboxRequest { read: vec!["/var/lib".into()], ..request() }),
            refused(&SandboxRequest { write: vec!["/".into()], ..request() }),
            refused(&SandboxRequest { home: "/".into(), ..request() }),
            refused(&SandboxRequest { home: "/usr/games".into(), ..request() }),
        ]
        .join("\n")
    );
}

#[test]
fn a_program_is_shown_with_its_package() {
    let package = |program: &str| package(Path::new(program), &request()).display().to_string();
    assert_eq!(package("/srv/claude"), "/srv/claude");
    assert_eq!(package("/w/node_modules/@a/code/cli.js"), "/w/node_modules/@a/code");
    assert_eq!(package("/w/node_modules/code/bin/cli.js"), "/w/node_modules/code");
}

#[test]
fn where_people_share_a_folder_of_transcripts_each_sees_their_own() {
    let folder = "/home/ada/.claude/projects/-home-ada-code-shop";
    let shared = SandboxRequest { own_conversations: Some(vec!["a1".to_owned()]), ..request() };
    let list = [
        (folder.to_owned(), PathKind::Folder),
        (format!("{folder}/a1.jsonl"), PathKind::File),
        (format!("{folder}/a1"), PathKind::Folder),
        (format!("{folder}/b2.jsonl"), PathKind::File),
        (format!("{folder}/b2"), PathKind::Folder),
        (format!("{folder}/c3.jsonl"), link("/etc/passwd", Some("/etc/passwd"))),
    ];
    let list: Vec<_> = list.iter().map(|(path, kind)| (path.as_str(), kind.clone())).collect();
    let hidden = |request: &SandboxRequest| {
        let parts = view(request, &list);
        let hides = |part: &String| part.starts_with("Hide") || part.starts_with("Mask");
        parts.into_iter().filter(hides).map(|part| part.replace(folder, "")).collect::<Vec<_>>()
    };
    assert_eq!(hidden(&shared), ["Mask(\"/b2\")", "Hide(\"/b2.jsonl\")"]);
    assert_eq!(hidden(&request()), [""; 0]);
    let same = |one: &str, other: &str| share_transcripts(Path::new(one), Path::new(other));
    assert!(same("/w/a-b", "/w/a.b") && !same("/w/a", "/w/b"));
}

#[test]
fn transcripts_lie_where_claude_code_puts_them() {
    let of = |project: &str| slug(Path::new(project));
    assert_eq!(of("/srv/a.b/c_d"), Some("-srv-a-b-c-d".to_owned()));
    assert_eq!(of("/w/完成"), Some("-w---".to_owned()));
    assert_eq!(of("/w/\u{1f600}"), Some("-w---".to_owned()));
    assert_eq!(of(&format!("/{}", "x".repeat(200))), None);
}

#[test]
fn landlock_allows_what_the_view_shows_of_the_host() {
    let request = SandboxRequest { mode: Mode::Landlock, read: vec!["/srv/data".into()], ..request() };
    let found = found(&[
        ("/usr", PathKind::Folder),
        ("/srv/data", PathKind::Folder),
        ("/home/ada/code/shop/.phonework", PathKind::Folder),
    ]);
    let view = View::new(&request, Path::new("/usr/bin/claude"), &found).unwrap();
    let paths = |list: &[&str]| list.iter().map(PathBuf::from).collect::<Vec<_>>();
    let write = ["/var/lib/phonework/caches/1", "/home/ada/code/shop"];
    assert_eq!(rules(&view), (paths(&["/proc", "/usr", "/srv/data"]), paths(&write)));
    assert_eq!(cache(&request), request.cache);
}
