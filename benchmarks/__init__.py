"""Side-by-side measurements. Reports, never part of the test run."""
