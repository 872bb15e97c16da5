"""What a competent person would write by hand instead of publishing."""
