"""``python -m mmgtrack``: the command line."""

import sys

from mmgtrack.cli.main import main

if __name__ == '__main__':
    sys.exit(main())
