//! Which step goes wrong, and how.

/// The environment variable that holds the plan; without it nothing goes wrong.
pub const VARIABLE: &str = "MOORING_SHIM_PLAN";
/// How a process exits that the plan ends.
pub const EXIT_CODE: i32 = 86;

/// What happens at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The step is done.
    Pass,
    /// The process ends at once, without the step.
    Exit,
    /// The step fails with this error number, and does nothing.
    Fail(i32),
}

/// What a step needs of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Room: a write, a new file, a reservation; and a sync, when the system allots late.
    Room,
    /// Nothing new: a name removed, a file cut.
    Nothing,
}

/// A fault at the step with a number; steps count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    kind: Kind,
    at: u64,
    /// How the names of the files begin whose steps count; `None` when all do.
    files: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Exit,
    /// An error at that step alone, or at all from there on.
    Error {
        number: i32,
        lasting: bool,
    },
}

impl Plan {
    /// Reads `exit:STEP`, `eio:STEP`, `enospc:STEP`, or with `-on` after the error's name for one
    /// that lasts. `@NAME` after it counts only what is done to files whose names begin so.
    pub fn parse(text: &str) -> Option<Self> {
        let (text, files) = match text.split_once('@') {
            Some((text, name)) => (text, Some(name.to_owned())),
            None => (text, None),
        };
        let (kind, at) = text.split_once(':')?;
        let error = |number, lasting| Kind::Error { number, lasting };
        let kind = match kind {
            "exit" => Kind::Exit,
            "eio" => error(libc::EIO, false),
            "eio-on" => error(libc::EIO, true),
            "enospc" => error(libc::ENOSPC, false),
            "enospc-on" => error(libc::ENOSPC, true),
            _ => return None,
        };
        Some(Self { kind, at: at.parse().ok()?, files })
    }

    /// Whether what is done to this file counts.
    pub fn covers(&self, path: &[u8]) -> bool {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        self.files.as_ref().is_none_or(|files| name.starts_with(files.as_bytes()))
    }

    /// What happens at the step with this number.
    pub const fn outcome(&self, step: u64, need: Need) -> Outcome {
        match self.kind {
            Kind::Exit if step == self.at => Outcome::Exit,
            Kind::Error { number, lasting } if step == self.at || (lasting && step > self.at) => {
                // A full disk still gives back what it has.
                match need {
                    Need::Nothing if number == libc::ENOSPC => Outcome::Pass,
                    Need::Room | Need::Nothing => Outcome::Fail(number),
                }
            }
            Kind::Exit | Kind::Error { .. } => Outcome::Pass,
        }
    }
}
