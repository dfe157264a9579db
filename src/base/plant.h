/* plant: known bugs that the simulator must find. Only a build with -Dplants=true has them; elsewhere the hooks are
 * constants and vanish. What each one is: sim/plants.h. */
#ifndef EDN_PLANT_H
#define EDN_PLANT_H

#ifdef EDN_PLANTS
#include <stdbool.h>
bool edn_planted(const char *name); /* the simulator says which */
#define EDN_PLANT(name) edn_planted(#name)
#else
#define EDN_PLANT(name) false
#endif

#endif
