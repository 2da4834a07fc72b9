/* Included before everything else when `make wheel` compiles on a newer Linux. glibc 2.34 gave
 * pthread_create a new version without any change in what it does; the old one is in every glibc, so
 * that the wheel runs on systems as old as manylinux2014's. Wheels of the workflow are compiled in
 * manylinux images, which need none of this. */
#include <features.h>
#if defined(__GLIBC__) && defined(__x86_64__)
__asm__(".symver pthread_create,pthread_create@GLIBC_2.2.5");
#endif
