"""For the scripts in tools/: the same one line and exit status as the commands have."""

import sys
from collections.abc import Callable

from mmgtrack.errors import MMGTrackError


def run_tool(main: Callable[[], None]) -> None:
    """Run a script's main function; a mistake of the user ends it with one line and status 2."""
    try:
        main()
    except MMGTrackError as error:
        # a data loader's worker wraps the message into its own traceback: the cause is the last line
        text = str(error).strip().splitlines()[-1] if 'Original Traceback' in str(error) else str(error)
        print(f'error: {" ".join(text.split())}', file=sys.stderr)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
