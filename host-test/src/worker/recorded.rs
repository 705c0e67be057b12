//! Taking what a worker has recorded: by exchange, of root contexts, or everything.

use super::event::ExchangeId;
use super::state::Worker;
use crate::recording::Recorded;

impl Worker {
    /// Takes the events of an exchange, in order; also after it was closed.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let chain = chain("tag");
    /// # let options = WorkerOptions { record: true, ..WorkerOptions::default() };
    /// # let mut worker = Worker::with_options(&chain, Host::default(), &options)?;
    /// # let mut headers = request();
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: true });
    /// worker.close(id);
    /// let recorded = worker.take_recorded(id);
    /// assert!(recorded[0].to_string().starts_with("2 > proxy_on_request_headers"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take_recorded(&mut self, id: ExchangeId) -> Vec<Recorded> {
        self.take_recorded_if(|exchange| exchange == Some(id))
    }

    /// Takes the events of root contexts and of starting VMs, in order.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let chain = chain("count");
    /// # let options = WorkerOptions { record: true, ..WorkerOptions::default() };
    /// # let mut worker = Worker::with_options(&chain, Host::default(), &options)?;
    /// let recorded = worker.take_recorded_by_roots();
    /// assert_eq!(recorded.last().unwrap().to_string(), "1 < proxy_on_configure = 1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take_recorded_by_roots(&mut self) -> Vec<Recorded> {
        self.take_recorded_if(|exchange| exchange.is_none())
    }

    /// Takes all events, of exchanges and of root contexts, in order.
    pub fn take_all_recorded(&mut self) -> Vec<Recorded> {
        self.take_recorded_if(|_| true)
    }

    fn take_recorded_if(&mut self, wanted: impl Fn(Option<ExchangeId>) -> bool) -> Vec<Recorded> {
        let (taken, left) = std::mem::take(&mut self.recorded)
            .into_iter()
            .partition::<Vec<_>, _>(|(exchange, _)| wanted(*exchange));
        self.recorded = left;
        let taken: Vec<_> = taken.into_iter().map(|(_, recorded)| recorded).collect();
        self.guests.forget_recorded(&taken);
        taken
    }
}
