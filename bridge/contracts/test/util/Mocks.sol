// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @dev Ways in which a stranger's contract may behave.
enum Mode {
    Plain,
    Fee,
    NoReturn,
    ReturnFalse,
    ReturnTwo,
    Revert,
    Bomb,
    BurnGas,
    Reenter,
    Silent,
    Work
}

/// @dev What both mocks do on request.
abstract contract Misbehaviour {
    Mode public mode;
    address private _target;
    bytes private _data;

    function behave(Mode mode_) public {
        mode = mode_;
    }

    /// @dev Calls `target` in the middle of a transfer; the call's failure is ours.
    function reenter(address target, bytes memory data) external {
        mode = Mode.Reenter;
        (_target, _data) = (target, data);
    }

    function _misbehave() internal {
        if (mode == Mode.Revert) revert("refused");
        if (mode == Mode.Bomb) {
            assembly {
                revert(0, 500000)
            }
        }
        if (mode == Mode.BurnGas) {
            for (uint256 i; i < type(uint256).max; ++i) {}
        }
        if (mode == Mode.Work) {
            // Most of what a token may use in a batch.
            uint256 end = gasleft() > 150_000 ? gasleft() - 150_000 : 0;
            while (gasleft() > end) {}
        }
        if (mode == Mode.Reenter) {
            (bool ok, bytes memory why) = _target.call(_data);
            if (!ok) {
                assembly {
                    revert(add(why, 32), mload(why))
                }
            }
        }
    }
}

/// @dev An ERC-20 that takes 1 % (Fee), returns nothing, false or 2, does nothing at all (Silent), or
/// worse.
contract MockToken is Misbehaviour {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    uint256 public totalSupply;
    string public name = "Mock";
    string public symbol = "MCK";
    uint8 public decimals = 6;

    function describe(string memory name_, string memory symbol_, uint8 decimals_) external {
        (name, symbol, decimals) = (name_, symbol_, decimals_);
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
        totalSupply += amount;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        return _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        _misbehave();
        if (mode == Mode.ReturnFalse) return false;
        if (mode != Mode.Silent) {
            uint256 fee = mode == Mode.Fee ? amount / 100 : 0;
            balanceOf[from] -= amount;
            balanceOf[to] += amount - fee;
            totalSupply -= fee;
        }
        if (mode == Mode.NoReturn) {
            assembly {
                return(0, 0)
            }
        }
        if (mode == Mode.ReturnTwo) {
            assembly {
                mstore(0, 2)
                return(0, 32)
            }
        }
        return true;
    }
}

/// @dev Receives ETH as its mode allows.
contract Recipient is Misbehaviour {
    receive() external payable {
        _misbehave();
    }
}

/// @dev Answers every metadata call with the same bytes, a revert or endless work.
contract OddMetadata {
    bytes private _answer;
    Mode private _mode;
    mapping(address => uint256) public balanceOf;

    constructor(bytes memory answer, Mode mode) {
        _answer = answer;
        _mode = mode;
    }

    function transferFrom(address, address to, uint256 amount) external returns (bool) {
        balanceOf[to] += amount;
        return true;
    }

    fallback(bytes calldata) external returns (bytes memory) {
        if (_mode == Mode.Revert) revert("no metadata");
        if (_mode == Mode.Work) {
            uint256 end = gasleft() > 80_000 ? gasleft() - 80_000 : 0;
            while (gasleft() > end) {}
        }
        if (_mode == Mode.BurnGas) {
            for (uint256 i; i < type(uint256).max; ++i) {}
        }
        if (_mode == Mode.Bomb) {
            assembly {
                return(0, 40000)
            }
        }
        return _answer;
    }
}
