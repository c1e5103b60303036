"""Results: the files that trackers leave, ours and those of others, in folders or zip archives.

==========================  ==========================================  =============================
format                      read by                                     written by
==========================  ==========================================  =============================
boxes, a file a sequence    box_results.BoxResults.boxes                writers.write_plain
GOT-10k: runs and times     box_results.BoxResults.repetitions, .times  writers.write_got10k
pytracking: also scores     box_results.BoxResults.presence_scores      writers.write_pytracking
OTB's MATLAB files          box_results.BoxResults.boxes                --
rows of `mmgtrack track`    box_results.BoxResults.boxes                `mmgtrack track`
VOT: trajectories           vot.read_trajectory                         vot.write_trajectory
OxUvA: predictions          oxuva.read_predictions                      oxuva.write_predictions
MOT text                    mot.read_mot                                mot.write_mot
proposals, for AR@k         proposals.read_proposals                    proposals.write_proposals
==========================  ==========================================  =============================

files.ResultFiles is the folder or archive that all of them read from.
"""
