// The element-wise formulas that both backends share, compiled for the device.
#include "kernels/math/augment.h"
#include "kernels/math/loss.h"
#include "kernels/math/optim.h"

__global__ void math_check_kernel(struct kn_loss loss, struct kn_optim_step step,
                                  struct kn_augment augment, const float *z, float *dz, float *w)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    struct kn_placement p = kn_place(augment, 1, 0, 0, (uint32_t)i);

    dz[i] = kn_loss_row(&loss, z, 10, p.dx, 1.0f, dz);
    kn_sgd(&step, dz[i], &w[i], &w[i + 1]);
    kn_adamw(&step, dz[i], &w[i], &w[i + 1], &w[i + 2]);
}
