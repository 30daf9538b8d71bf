/* Empty: the init function is in a library that it needs. */
int wsgiaudit_stub;
