//! What the machine's firmware and boot loader say: the free ways to know where it runs.
//!
//! The rules are those by which cloud-init's ds-identify proves a cloud; a machine that only looks like one is none.

use crate::machine::Machine;

const DMI: &str = "/sys/class/dmi/id";

/// Facts of `/sys/class/dmi/id` and `/proc/cmdline`.
#[derive(Debug, Clone, Default)]
pub struct Firmware {
    /// `product_name`.
    pub product_name: String,
    /// `product_serial`, which may carry a NoCloud line.
    pub product_serial: String,
    /// `product_uuid`.
    pub product_uuid: String,
    /// `chassis_asset_tag`.
    pub chassis_asset_tag: String,
    /// `sys_vendor`.
    pub sys_vendor: String,
    /// `/sys/hypervisor/uuid`, of Xen.
    pub hypervisor_uuid: String,
    /// The kernel's command line.
    pub command_line: String,
}

/// A cloud whose metadata are served over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// Amazon's, and those that look the same to the firmware.
    Ec2,
    /// OpenStack.
    OpenStack,
}

impl Cloud {
    /// Returns its name for reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ec2 => "EC2",
            Self::OpenStack => "OpenStack",
        }
    }
}

impl Firmware {
    /// Reads the facts; what is not there is empty.
    pub fn read(machine: &Machine) -> Self {
        let dmi = |name: &str| machine.read_fact(&format!("{DMI}/{name}"));
        Self {
            product_name: dmi("product_name"),
            product_serial: dmi("product_serial"),
            product_uuid: dmi("product_uuid").to_ascii_lowercase(),
            chassis_asset_tag: dmi("chassis_asset_tag"),
            sys_vendor: dmi("sys_vendor"),
            hypervisor_uuid: machine.read_fact("/sys/hypervisor/uuid").to_ascii_lowercase(),
            command_line: machine.read_fact("/proc/cmdline"),
        }
    }

    /// Returns the cloud that the firmware proves.
    pub fn cloud(&self) -> Option<Cloud> {
        const OPEN_STACK_PRODUCTS: [&str; 2] = ["OpenStack Nova", "OpenStack Compute"];
        const OPEN_STACK_TAGS: [&str; 6] = [
            "OpenStack Nova",
            "OpenStack Compute",
            "OpenTelekomCloud",
            "SAP CCloud VM",
            "HUAWEICLOUD",
            "Samsung Cloud Platform",
        ];
        if OPEN_STACK_PRODUCTS.contains(&self.product_name.as_str())
            || OPEN_STACK_TAGS.contains(&self.chassis_asset_tag.as_str())
        {
            return Some(Cloud::OpenStack);
        }
        self.is_ec2().then_some(Cloud::Ec2)
    }

    /// The UUID begins with `ec2`, or does so once its first group is read with its bytes swapped.
    fn is_ec2(&self) -> bool {
        let first = self.product_uuid.split('-').next().unwrap_or_default();
        let swapped = first.len() == 8 && first.ends_with("ec") && first.get(4..5) == Some("2");
        self.product_uuid.starts_with("ec2")
            || self.hypervisor_uuid.starts_with("ec2")
            || swapped && self.sys_vendor == "Amazon EC2"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clouds_are_proved_or_not() {
        let uuid = |uuid: &str, vendor: &str| Firmware {
            product_uuid: uuid.into(),
            sys_vendor: vendor.into(),
            ..Firmware::default()
        };
        assert_eq!(uuid("ec2e1916-9099-7caf-fd21-012345abcdef", "").cloud(), Some(Cloud::Ec2));
        assert_eq!(uuid("45e12aec-dcd1-b213-94ed-012345abcdef", "Amazon EC2").cloud(), Some(Cloud::Ec2));
        assert_eq!(uuid("45e12aec-dcd1-b213-94ed-012345abcdef", "QEMU").cloud(), None);
        let nova = Firmware { product_name: "OpenStack Nova".into(), ..Firmware::default() };
        assert_eq!(nova.cloud(), Some(Cloud::OpenStack));
        let tag = Firmware { chassis_asset_tag: "HUAWEICLOUD".into(), ..Firmware::default() };
        assert_eq!(tag.cloud(), Some(Cloud::OpenStack));
        assert_eq!(Firmware::default().cloud(), None);
    }
}
