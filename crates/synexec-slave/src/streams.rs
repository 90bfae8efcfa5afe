//! One thing for each stream that a task writes.

use synexec_proto::message::TaskStream;

/// One thing for the output, and one for standard error if the streams are separate.
#[derive(Debug)]
pub struct Streams<T> {
    pub output: T,
    pub errors: Option<T>,
}

impl<T> Streams<T> {
    /// That of a stream; none if the streams are not separate.
    pub fn get(&self, stream: TaskStream) -> Option<&T> {
        match stream {
            TaskStream::Output => Some(&self.output),
            TaskStream::Errors => self.errors.as_ref(),
        }
    }

    /// That of each stream.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        [&self.output].into_iter().chain(self.errors.as_ref())
    }

    /// That of each stream, to change it.
    pub fn as_mut(&mut self) -> Streams<&mut T> {
        Streams { output: &mut self.output, errors: self.errors.as_mut() }
    }

    /// Makes one thing of each stream into another.
    pub fn map<U>(self, mut make: impl FnMut(T) -> U) -> Streams<U> {
        Streams { output: make(self.output), errors: self.errors.map(make) }
    }

    /// Makes one thing of each stream into another, if this is possible for each.
    ///
    /// # Errors
    /// The first error of `make`.
    pub fn try_map<U, E>(&self, make: impl Fn(&T) -> Result<U, E>) -> Result<Streams<U>, E> {
        Ok(Streams { output: make(&self.output)?, errors: self.errors.as_ref().map(make).transpose()? })
    }
}
