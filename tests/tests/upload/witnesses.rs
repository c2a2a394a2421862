//! Other people's clients as judges of the stand-ins: boto3 of AWS's, pyone of OpenNebula's.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use integration_tests::aws::{ACCESS_KEY, SECRET_KEY, StandIn};
use integration_tests::opennebula::{FrontEnd, SESSION};
use integration_tests::python::environment;
use integration_tests::scratch::Scratch;
use integration_tests::witness::witness;

const PACKAGES: [&str; 2] = ["boto3==1.44.8", "pyone==7.3.80"];

/// Every call that an upload makes, and what AWS refuses of them.
const AWS: &str = r#"
import base64, hashlib, sys, time
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
url, key, secret = sys.argv[1:]
quick = Config(retries={'max_attempts': 0})
def client(service, region='eu-west-1', secret=secret):
    return boto3.client(service, region_name=region, endpoint_url=url, aws_access_key_id=key,
                        aws_secret_access_key=secret, config=quick)
ebs, ec2, away = client('ebs'), client('ec2'), client('ec2', 'us-east-2')
def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response['Error']['Code'] == code, error
        return
    raise AssertionError(f'{code} did not come')
refused('SignatureDoesNotMatch', client('ec2', secret='wrong').describe_images)
wanted = dict(VolumeSize=1, ClientToken='token', Tags=[{'Key': 'a', 'Value': 'b & <c>'}], Timeout=60)
begun = ebs.start_snapshot(**wanted)
snapshot = begun['SnapshotId']
assert begun['BlockSize'] == 524288 and begun['Status'] == 'pending', begun
assert ebs.start_snapshot(**wanted)['SnapshotId'] == snapshot
refused('ConflictException', ebs.start_snapshot, **dict(wanted, VolumeSize=2))
refused('ValidationException', ebs.start_snapshot, VolumeSize=70000)
digests = {}
def put(index, data, length=524288, digest=None):
    digest = digest or hashlib.sha256(data).digest()
    ebs.put_snapshot_block(SnapshotId=snapshot, BlockIndex=index, BlockData=data, DataLength=length,
                           Checksum=base64.b64encode(digest).decode(), ChecksumAlgorithm='SHA256')
    digests[index] = digest
for index in (5, 0, 5):
    put(index, bytes([index + 1]) * 524288)
refused('ValidationException', put, index=1, data=b'short')
refused('ValidationException', put, index=1, data=bytes(524288), digest=bytes(32))
refused('ValidationException', put, index=2048, data=bytes(524288))
def complete(count, digests):
    total = hashlib.sha256(b''.join(digests[index] for index in sorted(digests))).digest()
    ebs.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=count, Checksum=base64.b64encode(total).decode(),
                          ChecksumAlgorithm='SHA256', ChecksumAggregationMethod='LINEAR')
digests = {0: digests[0], 5: digests[5]}
refused('ValidationException', complete, count=3, digests=digests)
refused('ValidationException', complete, count=2, digests={0: bytes(32), 1: bytes(32)})
register = dict(Name='web 1', Architecture='x86_64', VirtualizationType='hvm', RootDeviceName='/dev/xvda', BootMode='uefi',
    EnaSupport=True, ImdsSupport='v2.0', TpmSupport='v2.0',
    BlockDeviceMappings=[{'DeviceName': '/dev/xvda', 'Ebs': {'SnapshotId': snapshot, 'VolumeType': 'gp3', 'VolumeSize': 1}}],
    TagSpecifications=[{'ResourceType': 'image', 'Tags': [{'Key': 'team', 'Value': 'web'}]}])
refused('InvalidSnapshot.NotFound', ec2.register_image, **register)
complete(2, digests)
found = ec2.describe_snapshots(OwnerIds=['self'], Filters=[{'Name': 'tag:a', 'Values': ['b & <c>']}])['Snapshots']
assert [(one['SnapshotId'], one['State'], one['VolumeSize']) for one in found] == [(snapshot, 'completed', 1)], found
assert found[0]['Tags'] == wanted['Tags'], found
refused('ValidationException', put, index=7, data=bytes(524288))
refused('InvalidParameterCombination', ec2.register_image, **dict(register, BootMode='uefi-preferred'))
refused('MissingParameter', ec2.register_image, **{k: v for k, v in register.items() if k != 'Architecture'})
image = ec2.register_image(**register)['ImageId']
refused('InvalidAMIName.Duplicate', ec2.register_image, **register)
shown = ec2.describe_images(Owners=['self'], Filters=[{'Name': 'tag:team', 'Values': ['web']}])['Images']
assert len(shown) == 1 and shown[0]['ImageId'] == image and shown[0]['State'] == 'available', shown
assert (shown[0]['BootMode'], shown[0]['ImdsSupport'], shown[0]['EnaSupport']) == ('uefi', 'v2.0', True), shown
assert shown[0]['BlockDeviceMappings'][0]['Ebs']['SnapshotId'] == snapshot, shown
assert not away.describe_images(Owners=['self'])['Images']
copy = dict(Name='web 1', SourceImageId=image, SourceRegion='eu-west-1', ClientToken='c')
there = away.copy_image(**copy)['ImageId']
assert away.copy_image(**copy)['ImageId'] == there
ec2.modify_image_attribute(ImageId=image, LaunchPermission={'Add': [{'UserId': '210987654321'}, {'Group': 'all'}]})
ec2.enable_image_deprecation(ImageId=image, DeprecateAt='2031-01-31T00:00:00Z')
refused('InvalidSnapshot.InUse', ec2.delete_snapshot, SnapshotId=snapshot)
ec2.disable_image(ImageId=image)
assert ec2.describe_images(ImageIds=[image])['Images'][0]['State'] == 'disabled'
ec2.deregister_image(ImageId=image)
refused('InvalidAMIID.NotFound', ec2.deregister_image, ImageId=image)
refused('InvalidAMIID.NotFound', ec2.describe_images, ImageIds=[image])
ec2.delete_snapshot(SnapshotId=snapshot)
refused('InvalidSnapshot.NotFound', ec2.describe_snapshots, SnapshotIds=[snapshot])
print('agreed')
"#;

/// Every call that an upload makes, and what a front-end refuses of them.
const OPENNEBULA: &str = r#"
import hashlib, sys, time
import pyone
url, session, path = sys.argv[1:]
one = pyone.OneServer(url, session=session)
def refused(kind, call, *arguments):
    try:
        call(*arguments)
    except kind:
        return
    raise AssertionError(f'{kind} did not come')
refused(pyone.OneAuthenticationException, pyone.OneServer(url, session='oneadmin:wrong').imagepool.info, -3, -1, -1)
stores = one.datastorepool.info().DATASTORE
assert [(store.NAME, store.TYPE) for store in stores] == [('system', 1), ('default', 0)], stores
data = open(path, 'rb').read()
def template(name, sha1):
    return (f'<TEMPLATE><NAME>{name}</NAME><TYPE>OS</TYPE><DEV_PREFIX>vd</DEV_PREFIX><PATH>{path}</PATH>'
            f'<SHA1>{sha1}</SHA1><MINE>a &amp; b</MINE></TEMPLATE>')
def settled(number):
    while True:
        image = one.image.info(number, False)
        if image.STATE != 4:
            return image
        time.sleep(0.05)
number = one.image.allocate(template('web', hashlib.sha1(data).hexdigest()), 1, False)
image = settled(number)
assert (image.STATE, image.NAME, image.TEMPLATE['MINE']) == (1, 'web', 'a & b'), image.TEMPLATE
refused(pyone.OneException, one.image.allocate, template('web', '0' * 40), 1, False)
broken = settled(one.image.allocate(template('broken', '0' * 40), 1, False))
assert broken.STATE == 5 and 'Hash does not match' in broken.TEMPLATE['ERROR'], broken.TEMPLATE
one.image.chmod(number, -1, -1, -1, -1, -1, -1, 1, -1, -1)
assert one.image.info(number, False).PERMISSIONS.OTHER_U == 1
one.image.rename(number, 'web.old')
one.image.enable(number, False)
assert {image.NAME: image.STATE for image in one.imagepool.info(-3, -1, -1).IMAGE} == {'web.old': 3, 'broken': 5}
made = one.template.allocate('<TEMPLATE><NAME>machine</NAME><MEMORY>64</MEMORY></TEMPLATE>')
assert [one.ID for one in one.templatepool.info(-3, -1, -1).VMTEMPLATE] == [made]
one.template.delete(made, False)
one.image.delete(number, False)
refused(pyone.OneNoExistsException, one.image.info, number, False)
print('agreed')
"#;

/// Returns a Python that has the witnesses.
fn python() -> String {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| environment("test-python-clouds", &PACKAGES));
    folder.join("bin/python").to_str().expect("UTF-8").to_owned()
}

#[test]
fn boto3_agrees_with_the_stand_in_of_aws() {
    let service = StandIn::start();
    assert_eq!(witness(&python(), &["-c", AWS, &service.url(), ACCESS_KEY, SECRET_KEY]).trim(), "agreed");
}

#[test]
fn pyone_agrees_with_the_stand_in_of_opennebula() {
    let (service, scratch) = (FrontEnd::start(), Scratch::new("upload-pyone"));
    let path = scratch.path().join("web.raw");
    fs::write(&path, vec![7; 3 << 20]).expect("written");
    let said =
        witness(&python(), &["-c", OPENNEBULA, &service.url(), SESSION, path.to_str().expect("plain")]);
    assert_eq!(said.trim(), "agreed");
}
