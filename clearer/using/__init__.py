"""Using a trained network: photographs of any size, tile by tile, and export."""
