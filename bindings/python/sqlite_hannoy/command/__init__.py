"""The command line `hannoy`."""

import sys


def run() -> None:
    try:
        from .main import main
    except ImportError as error:
        sys.exit(f"hannoy: {error}; pip install 'sqlite-hannoy[cli]' installs what it needs")
    main()
