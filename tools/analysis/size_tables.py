"""The experiments of the small-object global tracking note, for size_arms.py.

Each has a title, the arm that others are compared with, and a config by the name of an arm. Configs that say
the same are trained once.
"""

study = 'mmgtrack::ablations/point_track_study'

experiments = dict(
    sizes=dict(
        title='Sizes in training (the note, 3.1.1)',
        base='every size',
        arms={
            'every size': f'{study}.py',
            'natural sizes': f'{study}_natural.py',
            'large only': f'{study}_large.py',
            'small only': f'{study}_small.py',
        },
    ),
    levels=dict(
        title='Supervised levels (the note, 3.2)',
        base='all strides',
        arms={
            'all strides': f'{study}.py',
            'stride 4': f'{study}_stride4.py',
            'stride 8': f'{study}_stride8.py',
            'stride 16': f'{study}_stride16.py',
            'stride 32': f'{study}_stride32.py',
            'strides 4, 8': f'{study}_shallow.py',
            'strides 16, 32': f'{study}_deep.py',
        },
    ),
    depth=dict(
        title='Depth of backbone and pyramid (the note, 3.2)',
        base='to stride 32',
        arms={
            'to stride 8': f'{study}_to_stride8.py',
            'to stride 16': f'{study}_to_stride16.py',
            'to stride 32': f'{study}.py',
        },
    ),
    points=dict(
        title='Points a map is trained by (the note, 3.3)',
        base='k = 256',
        arms={f'k = {k}': f'{study}_k{k}.py' for k in (1, 4, 9, 16, 64, 256)},
    ),
    rule=dict(
        title='What is trained (the note, 2.1)',
        base='k = 256',
        arms={
            'k = 256': f'{study}.py',
            'k = 256, dead zone': f'{study}_dead_zone.py',
            'k = 1, dead zone: the note': f'{study}_note.py',
            'the same, of the whole map only': dict(
                config=f'{study}_only_maximum.py', base='k = 1, dead zone: the note'
            ),
            'fused map not supervised': f'{study}_no_fused.py',
            'stride 4 alone': f'{study}_stride4.py',
            'centre heat map, focal loss': f'{study}_centre.py',
        },
    ),
)
