"""The window of ``--show``."""

import subprocess
import sys

import cv2

from mmgtrack.apis import Frame
from mmgtrack.errors import MissingDependencyError
from mmgtrack.structures import Tracks
from mmgtrack.visualization import draw_tracks

_TITLE = 'mmgtrack (q quits)'
_PROBE = "import cv2; cv2.namedWindow('mmgtrack'); cv2.destroyAllWindows()"


class Window:
    """Show each frame with its tracks; ``closed`` turns True when the user presses q.

    Raises MissingDependencyError where no window can be opened.
    """

    def __init__(self) -> None:
        # in a process of its own: without a display OpenCV's window system aborts instead of raising
        probe = subprocess.run([sys.executable, '-c', _PROBE], capture_output=True, timeout=60, check=False)
        if probe.returncode != 0:
            raise MissingDependencyError(
                '--show needs a display and an OpenCV with windows (opencv-python, not -headless); '
                'leave --show out, the video is written anyway'
            )
        self.closed = False

    def put(self, frame: Frame, tracks: Tracks) -> None:
        cv2.imshow(_TITLE, draw_tracks(frame.image, tracks))
        if cv2.waitKey(1) & 0xFF == ord('q'):
            self.closed = True

    def close(self) -> None:
        cv2.destroyAllWindows()
