//! What an interface is: one that the machine has, or one that is made of others.

use serde::{Deserialize, Serialize};

use super::MacAddress;

/// What an interface is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The machine has it.
    Physical(InterfaceMatch),
    /// Several interfaces as one.
    Bond(Bond),
    /// A tagged network on another interface.
    Vlan(Vlan),
    /// A switch.
    Bridge(Bridge),
}

/// How an interface of the machine is found: all that is said must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterfaceMatch {
    /// Its permanent hardware address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddress>,
    /// A shell pattern for its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A shell pattern for its driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The name that it gets when the machine finds it at boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_name: Option<String>,
}

/// Several interfaces as one. What is `None` is left to the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bond {
    /// Names of its members.
    pub members: Vec<String>,
    /// How traffic is spread.
    #[serde(default)]
    pub mode: BondMode,
    /// Milliseconds between looks at the links.
    #[serde(default)]
    pub monitor_milliseconds: Option<u32>,
    /// Milliseconds before a link that came up is used.
    #[serde(default)]
    pub up_delay_milliseconds: Option<u32>,
    /// Milliseconds before a link that went down is given up.
    #[serde(default)]
    pub down_delay_milliseconds: Option<u32>,
    /// How often LACP partners send.
    #[serde(default)]
    pub lacp_rate: Option<LacpRate>,
    /// What a packet's link is chosen by: `layer2`, `layer2+3`, `layer3+4`, `encap2+3`, `encap3+4`, `vlan+srcmac`.
    #[serde(default)]
    pub transmit_hash_policy: Option<String>,
    /// Links that must be up for the bond to be.
    #[serde(default)]
    pub minimum_links: Option<u16>,
    /// The member that is preferred.
    #[serde(default)]
    pub primary: Option<String>,
}

/// How a bond spreads traffic, by the kernel's names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BondMode {
    /// Packet by packet, over all links.
    #[default]
    #[serde(rename = "balance-rr")]
    RoundRobin,
    /// One link at a time.
    #[serde(rename = "active-backup")]
    ActiveBackup,
    /// By a hash of addresses.
    #[serde(rename = "balance-xor")]
    Xor,
    /// Everything on every link.
    #[serde(rename = "broadcast")]
    Broadcast,
    /// LACP.
    #[serde(rename = "802.3ad")]
    Lacp,
    /// By load, when sending.
    #[serde(rename = "balance-tlb")]
    TransmitLoad,
    /// By load, in both directions.
    #[serde(rename = "balance-alb")]
    AdaptiveLoad,
}

impl BondMode {
    /// Every mode, at the kernel's number for it.
    pub const ALL: [Self; 7] = [
        Self::RoundRobin,
        Self::ActiveBackup,
        Self::Xor,
        Self::Broadcast,
        Self::Lacp,
        Self::TransmitLoad,
        Self::AdaptiveLoad,
    ];

    /// Returns the kernel's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "balance-rr",
            Self::ActiveBackup => "active-backup",
            Self::Xor => "balance-xor",
            Self::Broadcast => "broadcast",
            Self::Lacp => "802.3ad",
            Self::TransmitLoad => "balance-tlb",
            Self::AdaptiveLoad => "balance-alb",
        }
    }
}

/// How often LACP partners send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LacpRate {
    /// Every 30 seconds.
    Slow,
    /// Every second.
    Fast,
}

/// A tagged network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vlan {
    /// 1 to 4094.
    pub id: u16,
    /// Name of the interface below.
    pub link: String,
}

/// A switch. What is `None` is left to the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bridge {
    /// Names of its members.
    pub members: Vec<String>,
    /// Whether it speaks the spanning tree protocol.
    #[serde(default)]
    pub spanning_tree: Option<bool>,
    /// Seconds before a port forwards.
    #[serde(default)]
    pub forward_delay_seconds: Option<u32>,
    /// Its priority among bridges.
    #[serde(default)]
    pub priority: Option<u16>,
}
