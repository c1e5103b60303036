"""A small LaSOT in its official layout, with the index file that mmtrack wants beside it."""

from pathlib import Path

import cv2

from mmgtrack.datasets.synthetic import synthetic_clip

INDEX = 'infos.txt'


def write_lasot(root: Path, count: int = 3, frames: int = 25) -> Path:
    """``count`` videos of 96x64 pixels; in each the target is out of view in frames 3 and 4."""
    lines = ['The format of each line: video_path,annotation_path,start_frame_id,end_frame_id']
    for number in range(1, count + 1):
        clip = synthetic_clip(frames, (64, 96), num_targets=1, absences={0: (3, 5)}, seed=number)
        folder = root / 'cup' / f'cup-{number}'
        (folder / 'img').mkdir(parents=True)
        for index, frame in enumerate(clip.frames, start=1):
            cv2.imwrite(str(folder / 'img' / f'{index:08d}.jpg'), frame)
        present = clip.present[:, 0].tolist()
        boxes = clip.boxes[:, 0].tolist()
        rows = [
            [x, y, r - x, b - y] if there else [0, 0, 0, 0]
            for (x, y, r, b), there in zip(boxes, present, strict=True)
        ]
        (folder / 'groundtruth.txt').write_text('\n'.join(','.join(map(str, row)) for row in rows) + '\n')
        (folder / 'full_occlusion.txt').write_text(','.join('0' * frames))
        (folder / 'out_of_view.txt').write_text(','.join('01'[not there] for there in present))
        lines.append(f'cup/{folder.name}/img,cup/{folder.name}/groundtruth.txt,1,{frames}')
    (root / INDEX).write_text('\n'.join(lines))
    return root
