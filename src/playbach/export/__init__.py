"""A trained network's step in other formats, each checked against torch.

onnx, tflite   the step in each format, and its quantisations
step           what is exported
c              a folder of C for microcontrollers
listening      the music that an export is calibrated on and checked with
checking       an exported network beside torch
formats        the formats by name
exporting      a model into files, of one format or of all
"""
