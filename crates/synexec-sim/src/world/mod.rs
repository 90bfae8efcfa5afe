//! The state of the world, and how a scenario sets it up.
//!
//! The files of this folder call each other in one direction only: `run` and `scenario` need `act`, and `act` needs what
//! is here. `inspect` and `master_log` only look.

mod act;
mod inspect;
mod master_log;
mod run;
mod scenario;

use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::ops::Range;
use std::time::Duration;

use synexec_proto::defaults::DEFAULT_LOST_AFTER;
use synexec_proto::time::MonotonicInstant;
use synexec_proto::variables::Variables;
use synexec_session::master::{OtherTasks, OutputsWanted, Settings, SlaveNames, TokenSeed};
use synexec_session::slave::SlaveSettings;

use crate::client::Client;
use crate::client_event::ClientEvent;
use crate::id::ClientId;
use crate::liar::{Liar, Lie};
use crate::link::Ways;
use crate::master::Master;
use crate::network::Network;
use crate::order::Cue;
use crate::original::{Original, Script};
use crate::plan::Plan;
use crate::process_state::ProcessState;
use crate::slave::SimSlave;
use crate::stranger::{Manner, Stranger};
use crate::time::{START, secs};
use crate::timeline::{Node, Timeline, WorldEvent};

/// One master, its clients, the network between them, and virtual time.
#[derive(Debug)]
pub struct World {
    timeline: Timeline,
    network: Network,
    clients: Vec<ClientProcess>,
    master: Master,
    master_state: ProcessState,
    over_at: Option<MonotonicInstant>,
    cues: Vec<Cue>,
    /// How many entries of the master's log were compared with the cues.
    cued: usize,
    rivals: Vec<Rival>,
}

/// Another master of the same session, of which the master of this world hears the probes. It takes no slaves.
#[derive(Debug)]
struct Rival {
    address: Ipv4Addr,
    /// When it sends probes.
    probes: Range<MonotonicInstant>,
}

/// The address from which the master sends probes.
const MASTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);

/// A client, and whether its process runs.
#[derive(Debug)]
struct ClientProcess {
    client: Client,
    state: ProcessState,
}

/// The settings of a session of this many slaves: a small conf, no limit of the wait, nothing special.
///
/// # Panics
///
/// If there are to be no slaves.
#[must_use]
pub fn settings(slaves: u32) -> Settings {
    Settings {
        name: "control".into(),
        slaves: NonZeroU32::new(slaves).expect("a session has slaves"),
        names: SlaveNames::default(),
        wait: None,
        lost_after: DEFAULT_LOST_AFTER,
        conf_length: 40,
        runs_payload: false,
        variables: Variables::default(),
        lead: None,
        rounds: NonZeroU32::MIN,
        max_output: 1 << 30,
        separate: false,
        max_skew: None,
        progress: None,
        outputs: OutputsWanted::Nothing,
        quorum: None,
        timeout: None,
        on_lost: OtherTasks::Continue,
        on_failure: OtherTasks::Continue,
        reconnect: Duration::ZERO,
        token_seed: TokenSeed::new([7; 32]),
    }
}

impl World {
    /// A world with a master and no clients.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            timeline: Timeline::new(),
            network: Network::default(),
            clients: Vec::new(),
            master: Master::new(settings, START),
            master_state: ProcessState::Running,
            over_at: None,
            cues: Vec::new(),
            cued: 0,
            rivals: Vec::new(),
        }
    }

    /// A world whose master wants this many slaves, and that has no clients yet.
    #[must_use]
    pub fn of(slaves: u32) -> Self {
        Self::new(settings(slaves))
    }

    /// A world with two slaves of ours that follow the same plan. Broken connections are resumed within 10 seconds.
    #[must_use]
    pub fn pair(settings: Settings, plan: Plan) -> Self {
        let mut world = Self::new(Settings { reconnect: secs(10), ..settings });
        for _ in 0..2 {
            world.slave(Plan { reconnect: secs(10), ..plan });
        }
        world
    }

    /// Adds a slave of ours that boots when the world begins.
    pub fn slave(&mut self, plan: Plan) -> ClientId {
        self.slave_at(Duration::ZERO, plan)
    }

    /// Adds a slave of ours that boots this long after the world begins.
    pub fn slave_at(&mut self, boots: Duration, plan: Plan) -> ClientId {
        self.named_slave_at(boots, &format!("vm{}", self.clients.len()), plan)
    }

    /// Adds a slave of ours with this name that boots when the world begins.
    pub fn named_slave(&mut self, name: &str, plan: Plan) -> ClientId {
        self.named_slave_at(Duration::ZERO, name, plan)
    }

    /// Adds a slave of ours with this name that boots this long after the world begins.
    pub fn named_slave_at(&mut self, boots: Duration, name: &str, plan: Plan) -> ClientId {
        // Clones have the same name, but each has an instance number of its own.
        let instance = u64::try_from(self.clients.len()).unwrap_or(u64::MAX);
        let settings = SlaveSettings { instance, ..plan.settings(name) };
        let slave = SimSlave::new(settings, plan, START.plus(boots));
        self.add(boots, Client::Ours(Box::new(slave)))
    }

    /// Adds a version 1 slave that boots when the world begins.
    pub fn original(&mut self, script: Script) -> ClientId {
        self.original_at(Duration::ZERO, script)
    }

    /// Adds a version 1 slave that boots this long after the world begins.
    pub fn original_at(&mut self, boots: Duration, script: Script) -> ClientId {
        self.add(boots, Client::Original(Original::new(script)))
    }

    /// Adds a process that is no slave and connects this long after the world begins.
    pub fn stranger_at(&mut self, boots: Duration, manner: Manner) -> ClientId {
        self.add(boots, Client::Stranger(Stranger(manner)))
    }

    /// Adds a slave that breaks one rule of our protocol.
    pub fn liar(&mut self, lie: Lie) -> ClientId {
        self.add(Duration::ZERO, Client::Liar(Liar::new(lie)))
    }

    /// Adds another master of the same session, with the address `10.0.0.LAST`. It sends probes in this time after the
    /// world begins, and takes no slaves. The address of the world's master is `10.0.0.100`.
    pub fn rival(&mut self, last: u8, probes: Range<Duration>) {
        let address = Ipv4Addr::new(10, 0, 0, last);
        self.rivals.push(Rival { address, probes: START.plus(probes.start)..START.plus(probes.end) });
    }

    /// Tells the master which other masters send probes now.
    fn hear_rivals(&mut self) {
        let now = self.timeline.now;
        for Rival { address, .. } in self.rivals.iter().filter(|rival| rival.probes.contains(&now)) {
            self.timeline.soon(Node::Master, WorldEvent::RivalHeard { theirs: *address, ours: MASTER });
        }
    }

    /// Sets the delay between a client and the master, in both directions. The default is a millisecond.
    pub fn set_delay(&mut self, id: ClientId, delay: Duration) {
        self.set_ways(id, Ways::even(delay));
    }

    /// Sets the delays between a client and the master.
    pub fn set_ways(&mut self, id: ClientId, ways: Ways) {
        self.network.set_ways(id, ways);
    }

    /// Sets the time in which the network takes the conf for one slave. The default is zero.
    pub fn set_conf_time(&mut self, time: Duration) {
        self.master.conf_takes = time;
    }

    /// Sets how many bytes fit on the master's disk, and the time that storing takes.
    pub fn set_disk(&mut self, bytes: usize, storing_takes: Duration) {
        (self.master.disk, self.master.storing_takes) = (bytes, storing_takes);
    }

    /// The plan of a slave of ours, which a scenario may change before the slave gets to that part of the plan.
    ///
    /// # Panics
    ///
    /// If the client is another kind of client.
    pub fn plan_mut(&mut self, id: ClientId) -> &mut Plan {
        match &mut self.client_mut(id).client {
            Client::Ours(slave) => &mut slave.host.plan,
            other => panic!("{other:?} is not a slave of ours"),
        }
    }

    fn add(&mut self, boots: Duration, client: Client) -> ClientId {
        let id = ClientId(u8::try_from(self.clients.len()).expect("a world has fewer than 256 clients"));
        self.clients.push(ClientProcess { client, state: ProcessState::Absent });
        self.network.add_host();
        self.timeline.at(START.plus(boots), Node::Client(id), WorldEvent::Client(ClientEvent::Booted));
        id
    }

    fn client_mut(&mut self, id: ClientId) -> &mut ClientProcess {
        &mut self.clients[id.index()]
    }

    /// Ends a client's process.
    fn kill(&mut self, id: ClientId) {
        self.client_mut(id).state = ProcessState::Absent;
        self.network.close_all_of(&mut self.timeline, id);
    }

    /// Ends the master's process.
    fn kill_master(&mut self) {
        self.master_state = ProcessState::Absent;
        self.network.close_all_of_master(&mut self.timeline);
    }

    /// Plans the orders whose cues are among the master's latest notices.
    fn follow_cues(&mut self) {
        for notice in self.master.notices_from(self.cued) {
            for cue in self.cues.extract_if(.., |cue| (cue.matches)(notice)) {
                self.timeline.after(cue.after, Node::World, WorldEvent::Order(cue.order));
            }
        }
        self.cued = self.master.log.len();
    }
}
