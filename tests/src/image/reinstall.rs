//! The boot packages, installed again in the running guest.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{Image, PROBE_LIMIT, text};
use crate::guest::{Firmware, change, probe};
use crate::mirror::{Mirror, Source};
use crate::program::shared_cache;
use crate::scratch::Scratch;
use crate::witness::witness;

/// Reinstalling a kernel makes an initramfs, which takes a translated guest a while.
const REINSTALL_LIMIT: Duration = Duration::from_secs(1500);

impl Image {
    /// Damages what the firmware loads, reinstalls the packages it comes from in the running guest, and boots again.
    ///
    /// # Panics
    ///
    /// When the guest then does not boot by BIOS and with Secure Boot.
    pub fn stays_bootable_when_reinstalled(&self) {
        let scratch = Scratch::new("reinstall");
        let image = scratch.path().join("image.qcow2");
        fs::copy(&self.path, &image).expect("a copy of the image");
        let packages = scratch.path().join("packages");
        fs::create_dir(&packages).expect("a folder");
        let mirror = self.repository(&packages);
        let result = change(&image, Firmware::Bios, &reinstall_script(mirror.port()), REINSTALL_LIMIT)
            .expect("the guest answers");
        let said = result.output().expect("everything is reinstalled");
        assert!(said.ends_with("reinstalled\n"), "{said}");
        for firmware in [Firmware::Bios, Firmware::Secure] {
            let result = probe(&image, firmware, "systemctl is-system-running --wait", PROBE_LIMIT)
                .expect("it boots again");
            assert_eq!(result.output().expect("running").trim(), "running", "{:?}", result.failed_units);
        }
    }

    /// Serves the .debs that the image was built from as a repository, read from the store.
    fn repository(&self, folder: &Path) -> Mirror {
        let mut index = String::new();
        for package in self.manifest()["packages"].as_array().expect("a list") {
            let sha256 = package["sha256"].as_str().expect("text");
            let object = shared_cache().join("objects").join(&sha256[..2]).join(&sha256[2..]);
            let name = format!("{}.deb", package["name"].as_str().expect("text"));
            fs::hard_link(&object, folder.join(&name))
                .or_else(|_| fs::copy(&object, folder.join(&name)).map(drop))
                .expect("in the store");
            let control = witness("dpkg-deb", &["--field", text(&object)]);
            let size = fs::metadata(&object).expect("in the store").len();
            index.push_str(&format!(
                "{}\nFilename: ./{name}\nSize: {size}\nSHA256: {sha256}\n\n",
                control.trim_end()
            ));
        }
        fs::write(folder.join("Packages"), index).expect("writable");
        Mirror::start(Source::Folder(folder.to_owned()), Box::new(|_, _| None)).expect("a loopback port")
    }
}

/// Damages what the firmware loads, reinstalls the packages it comes from, and says what is there afterwards.
fn reinstall_script(port: u16) -> String {
    format!(
        r#"
exec 2>&1
set -e
esp=/boot/efi/EFI/BOOT
disk=/dev/$(lsblk -no pkname "$(findmnt -no SOURCE /)")
before=$(cat $esp/BOOTX64.EFI $esp/grubx64.efi | sha256sum)
for file in $esp/BOOTX64.EFI $esp/grubx64.efi; do
    printf damaged | dd of=$file bs=1 seek=5000 conv=notrunc 2>/dev/null
done
printf damaged | dd of="${{disk}}1" bs=1 seek=3000 conv=notrunc 2>/dev/null
damaged=$(cat $esp/BOOTX64.EFI $esp/grubx64.efi | sha256sum)
[ "$before" != "$damaged" ]
rm -f /etc/apt/sources.list.d/*
echo "deb [trusted=yes] http://10.0.2.2:{port} ./" > /etc/apt/sources.list
apt-get -q update
kernel=linux-image-$(uname -r)
DEBIAN_FRONTEND=noninteractive apt-get -q -y install --reinstall "$kernel" shim-signed grub-efi-amd64-signed grub-pc-bin
update-grub
after=$(cat $esp/BOOTX64.EFI $esp/grubx64.efi | sha256sum)
[ "$before" = "$after" ]
cmp $esp/grubx64.efi /usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed
cmp $esp/BOOTX64.EFI /usr/lib/shim/shimx64.efi.signed
grep -q "menuentry " /boot/grub/grub.cfg
ls -l $esp
sync
echo reinstalled
"#
    )
}
