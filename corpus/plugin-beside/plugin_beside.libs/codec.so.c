/* A plug-in, found by the path of who opens it. */
void *codec_kept;
