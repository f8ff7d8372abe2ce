"""Exported programs: reading their archives, the names of their inputs and outputs, what they demand of sizes."""
