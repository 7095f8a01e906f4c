//! The keyring as a credential of systemd.

use serde_json::json;

use super::installed::{Installed, shipped};

const RESTART: &str =
    "the keyring is a systemd credential, which is read at start only: restart phonework for a new one";

/// Installs the example, with the keyring for root alone.
async fn with_the_example() -> Installed {
    let machine = Installed::new(json!({})).await;
    let example = shipped().join("credentials.conf").display().to_string();
    let script = "mkdir -p /etc/systemd/system/phonework.service.d && cp \"$0\" /etc/systemd/system/phonework.service.d/ \
                  && chown root:root /etc/phonework/keyring.yaml && chmod 600 /etc/phonework/keyring.yaml \
                  && systemctl daemon-reload";
    machine.systemd.succeed(&["sh", "-c", script, &example]).await;
    machine
}

#[tokio::test]
async fn a_keyring_that_only_root_can_read_works_and_a_reload_says_that_it_takes_a_restart() {
    let mut machine = with_the_example().await;
    machine.start().await;
    machine.phonework.open_shop().await;
    machine.phonework.configure("LANGUAGE", json!("zh"));
    machine.install_keyring().await;
    machine.systemd.succeed(&["systemctl", "reload", "phonework"]).await;
    machine.shows_in_time("StatusText", |text| text.contains(RESTART)).await;
    machine.systemd.succeed(&["systemctl", "restart", "phonework"]).await;
    let heard = machine.phonework.ask("/status", 1).await;
    assert!(heard[0].contains("排队"), "{heard:?}");
}

#[tokio::test]
async fn an_encrypted_keyring_works() {
    let machine = with_the_example().await;
    let drop_in = "/etc/systemd/system/phonework.service.d/credentials.conf";
    let script = "systemd-creds setup && cd /etc/phonework \
                  && systemd-creds encrypt --with-key=host --name=keyring.yaml keyring.yaml keyring.cred \
                  && rm keyring.yaml \
                  && sed -i 's/^LoadCredential=/#&/; s/^#\\(LoadCredentialEncrypted=\\)/\\1/' \"$0\" \
                  && grep -q '^LoadCredentialEncrypted=' \"$0\" && systemctl daemon-reload";
    machine.systemd.succeed(&["sh", "-c", script, drop_in]).await;
    machine.start().await;
    machine.phonework.open_shop().await;
    assert_eq!(machine.phonework.ask("echo in secret", 1).await, ["in secret"]);
}
