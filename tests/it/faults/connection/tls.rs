//! TLS on the way to Feishu.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use phonework::emulator::EmulatorOptions;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::installed;
use crate::support::phonework::Phonework;

/// Makes a key and a certificate for 127.0.0.1 that it has signed itself.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=feishu", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (certificate, key)
}

/// Takes TLS off what comes in, and passes it on.
async fn stand_before(listener: TcpListener, acceptor: TlsAcceptor, behind: String) {
    while let Ok((outside, _)) = listener.accept().await {
        let (acceptor, behind) = (acceptor.clone(), behind.clone());
        tokio::spawn(async move {
            // Who does not trust the certificate leaves.
            let Ok(mut outside) = acceptor.accept(outside).await else { return };
            let mut inside = TcpStream::connect(behind).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
        });
    }
}

/// A phonework whose Feishu is behind TLS, and the certificate.
async fn behind_tls(folder: &Path) -> (Phonework, PathBuf) {
    let (certificate, key) = certificate(folder);
    let chain = vec![CertificateDer::from_pem_file(&certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen_from_outside = Some(format!("wss://{address}"));
    let mut phonework = installed(EmulatorOptions { seen_from_outside, ..EmulatorOptions::default() }).await;
    phonework.configure("FEISHU_DOMAIN", json!(format!("https://{address}")));
    let behind = phonework.emulator.base_url().trim_start_matches("http://").to_owned();
    tokio::spawn(stand_before(listener, TlsAcceptor::from(Arc::new(config)), behind));
    (phonework, certificate)
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused_told_once_and_tried_again_soon() {
    let folder = tempfile::tempdir().unwrap();
    let (mut phonework, certificate) = behind_tls(folder.path()).await;
    phonework.launch();
    phonework.logged("could not connect: no endpoint", 3).await;
    let told = phonework.lines(&["WARN", "could not connect"]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("certificate"), "{told:?}");
    assert_eq!(phonework.emulator.api_calls(), [], "nothing is said to whom is not trusted");

    // The same certificate, trusted: the whole way works.
    assert!(phonework.stop().await.success());
    phonework.set_env("SSL_CERT_FILE", Some(certificate.to_str().unwrap().to_owned()));
    phonework.start().await;
    phonework.open_shop().await;
    assert_eq!(phonework.ask("echo in private", 1).await, ["in private"]);
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_told_once_and_tried_again_soon() {
    let mut phonework = installed(EmulatorOptions::default()).await;
    let plain = phonework.emulator.base_url().replacen("http:", "https:", 1);
    phonework.configure("FEISHU_DOMAIN", json!(plain));
    phonework.launch();
    phonework.logged("could not connect: no endpoint", 3).await;
    assert_eq!(phonework.lines(&["WARN", "could not connect"]).len(), 1);
    assert!(phonework.stop().await.success());
}
