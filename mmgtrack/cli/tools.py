"""For the scripts in tools/: the same one line and exit status as the commands have."""

import sys
from collections.abc import Callable

from mmgtrack.errors import MMGTrackError


def run_tool(main: Callable[[], None]) -> None:
    """Run a script's main function; a mistake of the user ends it with one line and status 2."""
    try:
        main()
    except MMGTrackError as error:
        print(f'error: {" ".join(str(error).split())}', file=sys.stderr)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
