//! Cases that may fail, each with its reason: `waivers.txt`.

/// One line of the list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Waiver {
    fork: &'static str,
    name: &'static str,
    /// Why the case may fail.
    pub(crate) reason: &'static str,
}

/// Reads the committed list.
pub(crate) fn read() -> Result<Vec<Waiver>, String> {
    parse(include_str!("waivers.txt"))
}

/// Reads a list.
pub(crate) fn parse(text: &'static str) -> Result<Vec<Waiver>, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let mut parts = line.splitn(3, '|').map(str::trim);
            match (parts.next(), parts.next(), parts.next()) {
                (Some(fork), Some(name), Some(reason))
                    if !fork.is_empty() && !name.is_empty() && !reason.is_empty() =>
                {
                    Ok(Waiver { fork, name, reason })
                }
                _ => Err(format!("waivers.txt: no fork, name or reason in '{line}'")),
            }
        })
        .collect()
}

/// The waiver for a case, if there is one.
pub(crate) fn find<'a>(waivers: &'a [Waiver], fork: &str, name: &str) -> Option<&'a Waiver> {
    waivers.iter().find(|waiver| waiver.fork == fork && name.contains(waiver.name))
}
