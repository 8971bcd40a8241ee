"""What the torture runs share: the verdict, the homes they hurt, the injectors; scripts/torture_*.py use it."""
