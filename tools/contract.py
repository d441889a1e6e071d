"""Reads the contract: the compiled form of protos/, comments included."""

import functools
import tempfile
from importlib import resources
from pathlib import Path

import google.protobuf
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"


def sources() -> list[str]:
    """Return the path of every contract file below protos/, sorted; none is no error."""
    return sorted(path.relative_to(PROTOS).as_posix() for path in PROTOS.rglob("*.proto"))


def compile_protos(*options: str) -> None:
    """Run the locked protoc over the whole contract with *options*.

    Raises:
        SystemExit: protoc refused the contract; it has printed where and why.
    """
    well_known = resources.files("grpc_tools") / "_proto"
    # A package of the lock carries google/rpc and google/api beside its Python code.
    shared = Path(google.protobuf.__file__).parents[2]
    arguments = ["protoc", f"-I{PROTOS}", f"-I{well_known}", f"-I{shared}", *options, *sources()]
    if protoc.main(arguments) != 0:  # pyright: ignore[reportUnknownMemberType] -- ships no types
        raise SystemExit(1)


@functools.cache
def descriptors() -> FileDescriptorSet:
    """Return every contract file's descriptor with its comments, without imported files."""
    if not sources():
        return FileDescriptorSet()
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder, "contract.binpb")
        compile_protos("--include_source_info", f"--descriptor_set_out={compiled}")
        return FileDescriptorSet.FromString(compiled.read_bytes())
