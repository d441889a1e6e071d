"""Generates the Python stubs of the contract, and their types, into the SDK."""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tools import contract

SDK = "clients/python"
OWNS = (f"{SDK}/privacyrights/*/*_pb2*.py", f"{SDK}/privacyrights/*/*_pb2*.pyi")


def render() -> Mapping[str, str]:
    """Return each stub's text by its path in the repository."""
    if not contract.sources():
        return {}
    plugins = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as folder:
        contract.compile_protos(
            f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
            f"--python_out={folder}",
            f"--grpc_python_out={folder}",
            f"--mypy_out=quiet:{folder}",
            f"--mypy_grpc_out=quiet:{folder}",
        )
        stubs = {
            f"{SDK}/{path.relative_to(folder).as_posix()}": path.read_text("utf-8")
            for path in sorted(Path(folder).rglob("*.py*"))
        }
    return {path: text for path, text in stubs.items() if not is_empty_service_stub(path, text)}


def is_empty_service_stub(path: str, text: str) -> bool:
    """Tell whether *text* is what the plugins write for a file that declares no service."""
    return "_pb2_grpc." in path and "Stub" not in text
