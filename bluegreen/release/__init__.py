"""The pure ground floor: values in, values out; no input or output, no clock."""
