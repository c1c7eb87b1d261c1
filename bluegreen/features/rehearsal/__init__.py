"""`bluegreen rehearse`: the real switch beside production."""
