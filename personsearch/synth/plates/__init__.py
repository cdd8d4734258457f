"""Plates: photographs of empty places, which stand behind rendered people.

``library`` finds them, ``views`` cuts a camera's view out of one, ``light`` measures how it is lit, ``compose`` lays
people over it, and ``painter`` does all of it for a frame of the plan.
"""
