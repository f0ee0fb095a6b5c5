//! `agent doctor`: what is wrong with this host before it matters. [`gather`] looks, [`checks`] judge, [`report`] tells; nothing
//! here changes anything, and nothing needs a running agent.

pub mod checks;
pub mod facts;
pub mod finding;
pub mod gather;
pub mod reference;
pub mod report;

pub use finding::{Check, Finding, Severity};
pub use gather::{Places, Question};
pub use report::Report;

/// Looks at the host and judges.
///
/// # Errors
/// See [`gather::gather`].
pub async fn examine(question: &Question) -> anyhow::Result<Report> {
    let facts = gather::gather(question).await?;
    Ok(Report::of(&facts, checks::judge(&facts)))
}
