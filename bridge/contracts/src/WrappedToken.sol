// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IGateway} from "./interfaces/IGateway.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @dev Read from the deploying Gateway, so that the init code is the same for every token.
function nameFromGateway() view returns (string memory name) {
    (name,,) = IGateway(msg.sender).metadata();
}

function symbolFromGateway() view returns (string memory symbol) {
    (, symbol,) = IGateway(msg.sender).metadata();
}

/// @title An L1 token on the sidechain
/// @notice Backed one to one by what the Vault has locked. Only the Gateway mints and burns.
contract WrappedToken is ERC20, ERC20Permit {
    /// @notice The Gateway that deployed this token.
    address public immutable gateway;
    uint8 private immutable _decimals;

    /// @notice Only the Gateway may call this.
    error OnlyGateway();

    modifier onlyGateway() {
        if (msg.sender != gateway) revert OnlyGateway();
        _;
    }

    constructor() ERC20(nameFromGateway(), symbolFromGateway()) ERC20Permit(nameFromGateway()) {
        gateway = msg.sender;
        (,, _decimals) = IGateway(msg.sender).metadata();
    }

    /// @notice Creates `amount` for `to`. Reverts when the supply would overflow.
    function mint(address to, uint256 amount) external onlyGateway {
        _mint(to, amount);
    }

    /// @notice Destroys `amount` of `from`, who called the Gateway; needs no allowance.
    function burn(address from, uint256 amount) external onlyGateway {
        _burn(from, amount);
    }

    /// @notice Decimals of the L1 token, for display.
    function decimals() public view override returns (uint8) {
        return _decimals;
    }
}
