use super::{HEAD, check_table};

#[test]
fn keys() {
    check_table(
        HEAD,
        &[
            ("pakages: [curl]", "5:1: unknown key `pakages` in the recipe (did you mean `packages`?)"),
            ("Kernel: linux", "5:1: unknown key `Kernel` in the recipe (did you mean `kernel`?)"),
            ("users: [{ nmae: a }]", "5:11: unknown key `nmae` in a user (did you mean `name`?)"),
            ("kernel:", "5:1: `kernel` has no value (give it one or remove the key)"),
            (
                "<<: { a: b }",
                "5:1: unknown key `<<` in the recipe (merge keys are not read; use `include`, or write the keys out)",
            ),
            ("roles: [router]", "5:8: `roles` must be a map, not a list (write `roles: { router: { … } }`)"),
            (
                "roles: { Router: {} }",
                "5:10: 'Router' is no name of a role: it begins with a-z, has only a-z, 0-9, '-' and '_', and at most 40 characters",
            ),
            (
                "roles: { router: { pakages: [] } }",
                "5:20: unknown key `pakages` in a role (did you mean `packages`?)",
            ),
            (
                "roles: { router: { requires: [nobody] } }",
                "5:10: in the role `router`, there is no role or group 'nobody'; there are: controller, primary, router",
            ),
            (
                "roles: { router: { files: [{ path: /a, content: \"{% if %}\" }] } }",
                "5:10: in the role `router`, the template of '/a': line 1: syntax error: unexpected end of block",
            ),
            (
                "firstboot: { hostnme: a }",
                "5:14: unknown key `hostnme` in `firstboot` (did you mean `hostname`?)",
            ),
            ("upload: { glanze: {} }", "5:11: unknown key `glanze` in `upload` (did you mean `glance`?)"),
            (
                "upload: { glance: { visibility: all } }",
                "5:33: unknown `visibility` `all` (known here: private, shared, community, public)",
            ),
            ("upload: { aws: { tags: [web] } }", "5:25: `web` is not a valid `tags` (it must be KEY=VALUE)"),
            (
                "recommends: true\nrecommends: false",
                "6:1: the key `recommends` is given twice [5:1: it is given here first]",
            ),
            (
                "users: [{ name: admin, password: secret }]",
                "5:24: unknown key `password` in a user (passwords are always locked; give `ssh_keys`)",
            ),
            (
                "services: { enabled: [ssh] }",
                "5:13: unknown key `enabled` in `services` (did you mean `enable`?)",
            ),
        ],
    );
}

#[test]
fn kinds_of_values() {
    check_table(
        HEAD,
        &[
            (
                "packages: curl",
                "5:11: `packages` must be a list, not a single value (write `packages: [ … ]`)",
            ),
            ("packages: { curl: }", "5:11: `packages` must be a list, not a map (write `packages: [ … ]`)"),
            ("packages: [[curl]]", "5:12: `packages` must be text, not a list"),
            (
                "packages: [12]",
                "5:12: `packages` must be text, and `12` is a number (put it in quotes: \"12\")",
            ),
            (
                "packages: [true]",
                "5:12: `packages` must be text, and `true` is a truth value (put it in quotes: \"true\")",
            ),
            ("packages: [~]", "5:12: `packages` must be text, not nothing"),
            ("recommends: yes", "5:13: `recommends` must be true or false, not `yes` (write `true`)"),
            (
                "recommends: \"true\"",
                "5:13: `recommends` must be true or false, not `true` (write it without quotes)",
            ),
            ("recommends: []", "5:13: `recommends` must be true or false, not a list"),
            ("locale: [C.UTF-8]", "5:9: `locale` must be text, not a list"),
            (
                "timezone: \"../etc/passwd\"",
                "5:11: `../etc/passwd` is not a valid `timezone` (it must be a name such as Etc/UTC or Europe/Berlin)",
            ),
            ("disk: gpt", "5:7: `disk` must be a map, not a single value"),
            (
                "architecture: arm64",
                "5:15: `architecture: arm64` is not supported yet (supported now: amd64)",
            ),
            ("architecture: x86_64", "5:15: unknown `architecture` `x86_64` (known here: amd64, arm64)"),
        ],
    );
}

#[test]
fn packages() {
    check_table(
        HEAD,
        &[
            (
                "packages: [./local.deb]",
                "5:12: the package `./local.deb` does not exist (paths are relative to the recipe file that names them)",
            ),
            (
                "packages: [Curl]",
                "5:12: `Curl` is not a package name (write name, name=version, name/suite, name- or ./file.deb)",
            ),
            (
                "packages: [\"curl=\"]",
                "5:12: `` is not a version (write name, name=version, name/suite, name- or ./file.deb)",
            ),
            (
                "packages: [\"curl/book worm\"]",
                "5:12: `book worm` is not a suite (write name, name=version, name/suite, name- or ./file.deb)",
            ),
            (
                "packages: [\"libc6:i386\"]",
                "5:12: the architecture in `libc6:i386` is not supported yet (an image holds packages of one architecture and `all`; write `libc6`)",
            ),
            (
                "packages: [local.deb]",
                "5:12: `local.deb` is not the path of a package (write the path of a .deb so that it begins with ./, ../ or /)",
            ),
            (
                "packages: [\"task-desktop^\"]",
                "5:12: `task-desktop^` is not a package name (write name, name=version, name/suite, name- or ./file.deb)",
            ),
            ("kernel: linux-image-amd64-", "5:9: `kernel` names the kernel to install, not one to refuse"),
            (
                "debconf: [\"tzdata tzdata/Areas\"]",
                "5:11: this is not a line for debconf (write `package package/question type value`)",
            ),
        ],
    );
}

#[test]
fn distribution() {
    check_table(
        "version: 1\nname: x\noutputs: [raw]\n",
        &[
            (
                "distribution: { debian: { suite: bookworm, variant: buildd } }",
                "4:53: unknown `variant` `buildd` (known here: essential, minbase, important, standard)",
            ),
            (
                "distribution: { debian: { suite: bookworm, variant: mini } }",
                "4:53: unknown `variant` `mini` (known here: essential, minbase, important, standard)",
            ),
            (
                "distribution: { debian: { suit: bookworm } }",
                "4:27: unknown key `suit` in `debian` (did you mean `suite`?)",
            ),
            ("distribution: { debian: { suite: bookworm, components: [] } }", "4:56: `components` is empty"),
            (
                "distribution: { ubuntu: { suite: noble } }",
                "4:15: `distribution` needs `debian` (for example `debian: { suite: bookworm }`)\n4:17: unknown key `ubuntu` in `distribution` (known here: debian, mirror, auth, repositories)",
            ),
            (
                "distribution: { debian: { suite: bookworm }, mirror: \"ftp://x/debian\" }",
                "4:54: `ftp://x/debian` is not a valid `mirror` (write an address that begins with http://, https:// or file:///)",
            ),
            (
                "distribution: { debian: { suite: bookworm }, mirror: \"https://user:pw@x/debian\" }",
                "4:54: this is not a valid `mirror` (an address with a password would end up in logs; use one without)",
            ),
            (
                "distribution: { debian: { suite: bookworm }, repositories: [{ uri: \"http://x/y\" }] }",
                "4:61: a repository needs `suite` (for example `suite: stable`)\n4:61: a repository needs `components` (for example `components: [main]`)",
            ),
            (
                "distribution: { debian: { suite: bookworm }, repositories: [{ uri: \"http://x/y\", suite: s, components: [main], pin: 0 }] }",
                "4:117: `pin: 0` has no meaning to apt",
            ),
            (
                "distribution: { debian: { suite: bookworm }, repositories: [{ uri: \"http://x/y\", suite: s, components: [main], signed_by: k.gpg }] }",
                "4:123: there is no file `k.gpg` (paths are relative to the recipe file that names them)",
            ),
        ],
    );
}

#[test]
fn disk_and_boot() {
    check_table(
        HEAD,
        &[
            (
                "disk: { table: mbr, partitions: [{ type: root }] }",
                "5:16: unknown `table` `mbr` (known here: gpt, msdos)",
            ),
            (
                "disk: { size: 4096, partitions: [{ type: root }] }",
                "5:15: `4096` is not a size (sizes have a unit: `4096MiB`?)",
            ),
            (
                "disk: { size: 4GB, partitions: [{ type: root }] }",
                "5:15: `4GB` is not a size (sizes are binary: `4GiB`?)",
            ),
            ("disk: { partitions: [] }", "5:21: `partitions` is empty"),
            (
                "disk: { size: auto }",
                "5:7: `disk` needs `partitions` (for example `partitions: [{ type: root, filesystem: ext4, mount: / }]`)",
            ),
            (
                "disk: { partitions: [{ type: root, filesystem: f2fs }] }",
                "5:48: `filesystem: f2fs` is not supported yet (supported now: ext4, vfat, swap, ext2, ext3, xfs, btrfs, squashfs, erofs)",
            ),
            (
                "disk: { partitions: [{ type: root, filesystem: ext5 }] }",
                "5:48: unknown `filesystem` `ext5` (did you mean `ext4`?)",
            ),
            (
                "disk: { partitions: [{ type: lvm }] }",
                "5:30: `type: lvm` is not supported yet (supported now: bios-boot, esp, xbootldr, root, home, srv, var, linux, swap)",
            ),
            (
                "disk: { partitions: [{ filesystem: ext4 }] }",
                "5:22: a partition needs `type` (for example `type: linux`)",
            ),
            (
                "disk: { partitions: [{ type: root, mount: root }] }",
                "5:43: `root` is not a valid `mount` (it must begin with `/`: a path in the image)",
            ),
            (
                "disk: { partitions: [{ type: linux, mount: /srv/../etc }] }",
                "5:44: `/srv/../etc` is not a valid `mount` (it must not contain `..`)",
            ),
            (
                "disk: { partitions: [{ type: linux, mount: /srv/ }] }",
                "5:44: `/srv/` is not a valid `mount` (write it without `.`, double slashes or a slash at the end)",
            ),
            (
                "disk: { partitions: [{ type: root, options: [\"noatime,ro\"] }] }",
                "5:46: `noatime,ro` is not a valid `options` (it must be one mount option such as noatime, without commas or spaces)",
            ),
            (
                "disk: { partitions: [{ type: root, quota: [users] }] }",
                "5:44: unknown `quota` `users` (did you mean `user`?)",
            ),
            (
                "boot: { bios: true }",
                "5:7: `boot` needs `grub` (for example `grub: { bios: true, uefi: true }`)\n5:9: unknown key `bios` in `boot` (known here: grub, kernel_command_line)",
            ),
            ("boot: { grub: { secure: maybe } }", "5:25: `secure` must be true or false, not `maybe`"),
            (
                "boot: { grub: {}, kernel_command_line: [\"root=/dev/sda1\"] }",
                "5:41: the argument `root=/dev/sda1` is set by bootwright (remove it)",
            ),
            (
                "boot: { grub: {}, kernel_command_line: [\"quiet splash\"] }",
                "5:41: one entry holds one argument of the kernel (write [quiet, splash])",
            ),
            (
                "boot: { grub: {}, kernel_command_line: [\"init=/bin/sh;ls\"] }",
                "5:41: the character `;` does not pass through GRUB's configuration",
            ),
            (
                "boot: { grub: {}, kernel_command_line: console=ttyS0 }",
                "5:40: `kernel_command_line` must be a list, not a single value (write `kernel_command_line: [ … ]`)",
            ),
        ],
    );
}

#[test]
fn content() {
    check_table(
        HEAD,
        &[
            (
                "overlays: [{ from: nowhere }]",
                "5:20: there is no folder `nowhere` (paths are relative to the recipe file that names them)",
            ),
            (
                "overlays: [{ from: recipe.yaml }]",
                "5:20: `recipe.yaml` is not a folder (paths are relative to the recipe file that names them)",
            ),
            (
                "overlays: [{ from: ., map: { /srv: root } }]",
                "5:30: `/srv` is not a path below the overlay (write it as in `srv/www`)",
            ),
            (
                "overlays: [{ from: ., map: { srv/www: www-data } }]",
                "5:30: the overlay holds no `srv/www` [5:20: this is the overlay]",
            ),
            (
                "files: [{ path: etc/motd, content: x }]",
                "5:17: `etc/motd` is not a valid `path` (it must begin with `/`: a path in the image)",
            ),
            (
                "files: [{ path: /etc/../motd, content: x }]",
                "5:17: `/etc/../motd` is not a valid `path` (it must not contain `..`)",
            ),
            (
                "files: [{ path: /etc//motd, content: x }]",
                "5:17: `/etc//motd` is not a valid `path` (write it without `.`, double slashes or a slash at the end)",
            ),
            ("files: [{ path: /etc/motd }]", "5:9: a file needs `content`, `from` or `link`"),
            (
                "files: [{ path: /etc/motd, content: x, link: y }]",
                "5:9: a file has only one of `content`, `from` and `link`",
            ),
            (
                "files: [{ path: /etc/motd, from: motd }]",
                "5:34: there is no file `motd` (paths are relative to the recipe file that names them)",
            ),
            (
                "files: [{ path: /etc/motd, content: x, mode: 0644 }]",
                "5:46: `mode` must be text, and `0644` is a number (put it in quotes: \"0644\")",
            ),
            (
                "files: [{ path: /etc/motd, content: x, mode: \"0888\" }]",
                "5:46: `0888` is not a valid `mode` (it must be three or four octal digits such as \"0644\")",
            ),
            (
                "files: [{ path: /etc/motd, content: x, mode: \"rw-r--r--\" }]",
                "5:46: `rw-r--r--` is not a valid `mode` (it must be three or four octal digits such as \"0644\")",
            ),
            (
                "files: [{ path: /etc/motd, content: 5 }]",
                "5:37: `content` must be text, and `5` is a number (put it in quotes: \"5\")",
            ),
            (
                "files: [{ path: /etc/motd, link: y, mode: \"0644\" }]",
                "5:37: a symbolic link has no mode (remove the key)",
            ),
            (
                "files: [{ path: /etc/motd, content: x, owner: Root }]",
                "5:47: `Root` is not a valid `owner` (it must be a name such as www-data: a-z, 0-9, `_` and `-`, at most 32)",
            ),
        ],
    );
}

#[test]
fn system() {
    check_table(
        HEAD,
        &[
            (
                "users: [{ name: Admin }]",
                "5:17: `Admin` is not a valid `name` (it must be a name such as www-data: a-z, 0-9, `_` and `-`, at most 32)",
            ),
            ("users: [{ groups: [sudo] }]", "5:9: a user needs `name` (for example `name: admin`)"),
            (
                "users: [{ name: a, ssh_keys: [\"ssh-ed25519 …\"] }]",
                "5:31: this is not a public key of OpenSSH (give the line of a .pub file: `ssh-ed25519 AAAA… comment`)",
            ),
            (
                "users: [{ name: a, ssh_keys: [\"-----BEGIN OPENSSH PRIVATE KEY-----\"] }]",
                "5:31: this is a private key (give the public one, from the file that ends in .pub)",
            ),
            (
                "users: [{ name: a, shell: bash }]",
                "5:27: `bash` is not a valid `shell` (it must begin with `/`: a path in the image)",
            ),
            (
                "services: { enable: [\"ssh ssh\"] }",
                "5:22: `ssh ssh` is not a valid `unit` (it must be a unit such as ssh or apt-daily.timer)",
            ),
            ("services: [ssh]", "5:11: `services` must be a map, not a list"),
            (
                "run: [{ name: a }]",
                "5:7: a `run` step needs `command` (for example `command: update-ca-certificates`)",
            ),
            ("run: [{ name: a, command: \"\" }]", "5:27: `command` is empty"),
            ("run: [update-ca-certificates]", "5:7: a `run` step must be a map, not a single value"),
            (
                "locale: \"C UTF-8\"",
                "5:9: `C UTF-8` is not a valid `locale` (it must be a name such as C.UTF-8 or de_DE.UTF-8)",
            ),
            (
                "apt_sources: [{ uri: \"http://x/d\", suites: [] , components: [main] }]",
                "5:44: `suites` is empty",
            ),
            (
                "apt_sources: [{ uri: \"http://x/d\", suites: [a], components: [main], signed_by: k.gpg }]",
                "5:80: `k.gpg` is not a valid `signed_by` (it must begin with `/`: a path in the image)",
            ),
        ],
    );
}

#[test]
fn outputs_and_tests() {
    check_table(
        "version: 1\nname: x\ndistribution: { debian: { suite: bookworm } }\n",
        &[
            ("outputs: []", "4:10: `outputs` is empty"),
            (
                "outputs: [{ tar: { compression: zstd } }]",
                "4:13: an output names its format by `type`, not by the key `tar` (write `{ type: tar, compression: … }`)",
            ),
            (
                "outputs: [{ type: tar, compression: zlib }, { type: tree, compression: gz }]",
                "4:37: unknown `compression` `zlib` (known here: none, gz, xz, zstd)\n4:59: a tree has no compression (remove the key)",
            ),
            (
                "outputs: [floppy]",
                "4:11: unknown `output` `floppy` (known here: qcow2, raw, vmdk, vhd, tar, tree)",
            ),
            (
                "outputs: [{ type: vmdk, compression: zlib }]",
                "4:25: a stream-optimised VMDK is always compressed (remove the key)",
            ),
            (
                "outputs: [{ type: qcow2, subformat: fixed }, { type: vhd, subformat: fixd }]",
                "4:26: only `vhd` has a `subformat` (remove the key)\n4:70: unknown `subformat` `fixd` (did you mean `fixed`?)",
            ),
            (
                "outputs: [{ type: qcow2, compression: zstf }]",
                "4:39: unknown `compression` `zstf` (did you mean `zstd`?)",
            ),
            (
                "outputs: [{ type: raw, compression: none }]",
                "4:24: a raw disk has no compression (remove the key)",
            ),
            ("outputs: [qcow2]\ntests: [{ name: a }]", "5:9: a test needs `port` or `run`"),
            (
                "outputs: [qcow2]\ntests: [{ name: a, port: 22, run: \"true\" }]",
                "5:9: a test has only one of `port` and `run`",
            ),
            (
                "outputs: [qcow2]\ntests: [{ name: a, port: 0 }]",
                "5:26: `port` must be a whole number from 1 to 65535, not `0`",
            ),
            (
                "outputs: [qcow2]\ntests: [{ name: a, port: \"22\" }]",
                "5:26: `port` must be a whole number from 1 to 65535, not `22` (write it without quotes)",
            ),
            (
                "outputs: [qcow2]\ntests: [{ name: a, port: 22, timeout: 60 }]",
                "5:39: `60` is not a time (times have a unit: `60s`?)",
            ),
            ("name: y", "4:1: the key `name` is given twice [2:1: it is given here first]"),
        ],
    );
}
