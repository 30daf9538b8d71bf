/* A library that only one GIL would guard, with no object in it. */
int libbusy_owners;
