"""Where the bundled program begins: as ``traymon``, or as one of its own child processes.

traymon has some work done by ``sys.executable -P -m MODULE``, so that the memory it takes goes with the child. Bundled,
``sys.executable`` is this program, which therefore does what Python would do with such arguments.
"""

import os
import runpy
import sys

CHILDREN = ("traymon.report", "traymon.secrets", "traymon.setup.keeping")
"""What may be started so. No other module: this is no way to run Python."""

_AUTHORITIES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine
)
"""Where the system keeps the certificates that it trusts, as in Go's crypto/x509/root_linux.go. The bundled OpenSSL
knows only the place of the system that it was built on."""


def main() -> None:
    """Run what the arguments ask for."""
    if sys.platform == "linux":
        _leave_no_libraries_to_others()
        _find_authorities()
    module = sys.argv[3] if sys.argv[1:3] == ["-P", "-m"] and len(sys.argv) > 3 else ""
    if module in CHILDREN:
        del sys.argv[1:4]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return
    from traymon.cli import main as traymon

    traymon()


def _leave_no_libraries_to_others() -> None:
    """The browser and ``on_change`` must not be given the libraries of this bundle, which PyInstaller's loader names.

    This process has them already; a child that is this program is given them by the loader again.
    """
    before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    if before is not None:
        os.environ["LD_LIBRARY_PATH"] = before
    elif os.environ.get("LD_LIBRARY_PATH") == getattr(sys, "_MEIPASS", ""):
        del os.environ["LD_LIBRARY_PATH"]


def _find_authorities() -> None:
    if "SSL_CERT_FILE" in os.environ or "SSL_CERT_DIR" in os.environ:
        return
    there = next((path for path in _AUTHORITIES if os.path.exists(path)), None)
    if there is not None:
        os.environ["SSL_CERT_FILE"] = there


if __name__ == "__main__":
    main()
