"""What holds for every test."""

from hypothesis import settings

# A machine that others use too is slow at times, which says nothing about the code; what must
# be quick is measured in bench/.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
