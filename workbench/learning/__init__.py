"""Trainings: whitening, attention, fine-tuning, HardNet and region proposals. Search imports none."""
