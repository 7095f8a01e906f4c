//! Writes to the systemd journal, with a `MESSAGE_ID` for the events of [`super::events`].

use std::collections::BTreeMap;
use std::io;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_journald::{Layer as Writer, Priority, PriorityMappings};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::events::{self, MESSAGE_IDS};

/// The layer. A writer of `tracing-journald` puts its prefix before every field of an event, and only what it adds to
/// all its events goes without: so each `MESSAGE_ID` has a writer of its own.
pub(super) struct JournalLayer {
    plain: Writer,
    by_name: BTreeMap<&'static str, Writer>,
}

impl JournalLayer {
    /// Connects to the journal's socket.
    pub(super) fn open() -> io::Result<Self> {
        let writers = MESSAGE_IDS.iter().map(|&(name, id)| {
            // What an operator is to notice among the messages that are mere information.
            let info =
                if name == events::MESSAGE_REFUSED { Priority::Notice } else { Priority::Informational };
            Ok((name, writer(info)?.with_custom_fields([("MESSAGE_ID", id)])))
        });
        Ok(Self { plain: writer(Priority::Informational)?, by_name: writers.collect::<io::Result<_>>()? })
    }
}

fn writer(info: Priority) -> io::Result<Writer> {
    let priorities = PriorityMappings { info, debug: Priority::Debug, ..PriorityMappings::new() };
    Ok(tracing_journald::layer()?
        .with_field_prefix(Some("PHONEWORK".to_owned()))
        .with_syslog_identifier("phonework".to_owned())
        .with_priority_mappings(priorities))
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for JournalLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.plain.on_new_span(attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.plain.on_record(id, values, context);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        self.by_name.get(event.metadata().name()).unwrap_or(&self.plain).on_event(event, context);
    }
}
