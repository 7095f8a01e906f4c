//! What is in the packages.

use std::collections::BTreeSet;

use super::{OLD, output, package};

/// The paths of all files in the Debian package, with their modes and owners.
fn files_of_deb(deb: &str) -> Vec<(String, String)> {
    let listed = output("dpkg-deb", &["--contents", deb]);
    let mut files: Vec<_> = listed
        .lines()
        .filter(|line| !line.starts_with('d'))
        .map(|line| {
            let mut words = line.split_whitespace();
            let mode = format!("{} {}", words.next().unwrap(), words.next().unwrap());
            (words.next_back().unwrap().trim_start_matches('.').to_owned(), mode)
        })
        .collect();
    files.sort();
    files
}

#[test]
fn the_debian_package_holds_what_an_operator_needs_and_lintian_finds_nothing_wrong() {
    let deb = package("deb", OLD);
    let deb = deb.to_str().unwrap();
    let files: Vec<_> = files_of_deb(deb).into_iter().map(|(path, mode)| format!("{mode} {path}")).collect();
    insta::assert_snapshot!(files.join("\n"));
    // It does not like to be run by root, and says so elsewhere.
    let found = output("lintian", &["--fail-on", "error,warning", deb]);
    assert_eq!(found, "");
}

#[test]
fn the_debian_changelog_begins_with_this_version() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/debian/changelog");
    let changelog = std::fs::read_to_string(path).unwrap();
    let wanted = format!("phonework ({}-{OLD}) ", env!("CARGO_PKG_VERSION"));
    assert!(changelog.starts_with(&wanted), "{changelog}");
}

#[test]
fn the_rpm_holds_what_the_debian_package_holds() {
    let (deb, rpm) = (package("deb", OLD), package("rpm", OLD));
    let rpm = rpm.to_str().unwrap();
    let of_rpm =
        output("rpm", &["--query", "--package", "--queryformat", "[%{FILEMODES:perms} %{FILENAMES}\n]", rpm]);
    let of_rpm: BTreeSet<_> = of_rpm.lines().map(str::to_owned).collect();
    // Each of the two families has places of its own for these.
    let elsewhere = |path: &str| match path {
        "/usr/share/doc/phonework/copyright"
        | "/usr/share/doc/phonework/changelog.Debian.gz"
        | "/usr/share/lintian/overrides/phonework" => None,
        "/usr/share/zsh/vendor-completions/_phonework" => {
            Some("/usr/share/zsh/site-functions/_phonework".to_owned())
        }
        path => Some(path.to_owned()),
    };
    let mut of_deb = BTreeSet::new();
    for (path, mode) in files_of_deb(deb.to_str().unwrap()) {
        let mode = mode.split(' ').next().unwrap();
        of_deb.extend(elsewhere(&path).map(|path| format!("{mode} {path}")));
    }
    for licence in ["LICENSE", "LICENSE-APACHE", "LICENSE-MIT"] {
        of_deb.insert(format!("-rw-r--r-- /usr/share/licenses/phonework/{licence}"));
    }
    assert_eq!(of_rpm, of_deb);
}

#[test]
fn the_rpm_s_scripts_are_those_for_its_moments() {
    let rpm = package("rpm", OLD);
    let scripts = output("rpm", &["--query", "--package", "--scripts", rpm.to_str().unwrap()]);
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/rpm");
    let text = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let wanted = [("postinstall", "post"), ("preuninstall", "preun"), ("postuninstall", "postun")];
    let wanted: String =
        wanted.iter().map(|(moment, name)| format!("{moment} scriptlet:\n{}\n", text(name))).collect();
    assert_eq!(scripts.trim_end(), wanted.trim_end());
}
